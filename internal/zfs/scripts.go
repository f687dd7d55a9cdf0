package zfs

// The scripts that hosts are sent, for whoever stands in for one.
const (
	DirectScript = directScript
	StaleScript  = staleScript
	SystemScript = systemScript
)
