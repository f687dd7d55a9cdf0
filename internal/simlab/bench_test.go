package simlab

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		l, err := Start(context.Background(), Config{Spec: ScaleSpec(16, 200), Speed: testSpeed})
		require.NoError(b, err)
		l.Close()
	}
}
