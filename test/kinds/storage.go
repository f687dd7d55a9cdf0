package kinds

import (
	"bytes"
	"context"
	"fmt"

	"nightshift/internal/simlab"
	"nightshift/internal/simlab/storage"
)

// OldPoints takes recovery points of the group mail on the source, of a day that no policy keeps.
func OldPoints(ctx context.Context, lab *simlab.Lab) error {
	for hour := range 4 {
		if err := onSource(ctx, lab, "zfs", "snapshot", oldPoint(hour)); err != nil {
			return err
		}
	}
	return nil
}

// HoldOldPoints puts holds of the group on two of them, which nothing needs.
func HoldOldPoints(ctx context.Context, lab *simlab.Lab) error {
	return onSource(ctx, lab, "zfs", "hold", "nightshift:mail", oldPoint(0), oldPoint(1))
}

// LoseTable overwrites the partition table of LostDataset.
func LoseTable(lab *simlab.Lab) error {
	return lab.StorageHost("ss1").WriteBytes(LostDataset, 0, make([]byte, 1<<20))
}

func oldPoint(hour int) string {
	return fmt.Sprintf("tank/mail@nightshift_mail_2026-01-02T%02d:00:00Z", hour)
}

func onSource(ctx context.Context, lab *simlab.Lab, argv ...string) error {
	var errs bytes.Buffer
	if exit := lab.StorageHost("ss1").Run(ctx, "root", argv, storage.Streams{Err: &errs}); exit != (storage.Exit{}) {
		return fmt.Errorf("%v: %s: %s", argv, exit, errs.String())
	}
	return nil
}
