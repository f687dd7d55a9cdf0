package words

import (
	"fmt"
	"strings"
)

// Bytes is a size in the largest unit that fits: "512 B", "1.2 GiB", "20 MiB".
func Bytes(n int64) string {
	const units = "KMGTP"
	if n < 1024 && n > -1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/1024, 0
	for (f >= 1023.95 || f <= -1023.95) && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") + fmt.Sprintf(" %ciB", units[i])
}
