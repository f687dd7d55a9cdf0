package plan

// The workflow types of the runbooks, as the Temporal UI lists them: the catalog says which one carries a runbook out, and workers
// register under them.
const (
	PowerDownWorkflow            = "PowerDown"            // runbook power-down
	PowerUpWorkflow              = "PowerUp"              // runbook power-up
	SettleWorkflow               = "Settle"               // runbook settle: gives back what open debts owe
	ReplicateWorkflow            = "Replicate"            // runbook replicate: a protection group
	PruneWorkflow                = "Prune"                // runbook prune: a protection group
	LUNMapWorkflow               = "LUNMap"               // runbook lun-map
	VMFSInspectWorkflow          = "VMFSInspect"          // runbook vmfs-inspect
	VMFSBackupWorkflow           = "VMFSBackup"           // runbook vmfs-backup
	VMFSRestorePartitionWorkflow = "VMFSRestorePartition" // runbook vmfs-restore-partition
	StepsWorkflow                = "Steps"                // every step runbook: which one is in the run's parameters, and its search attribute Runbook
)

// RunWorkflows are all of them.
func RunWorkflows() []string {
	return []string{
		PowerDownWorkflow, PowerUpWorkflow, SettleWorkflow, ReplicateWorkflow, PruneWorkflow, LUNMapWorkflow, VMFSInspectWorkflow, VMFSBackupWorkflow,
		VMFSRestorePartitionWorkflow, StepsWorkflow,
	}
}
