package vsphere

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// A guest cannot write lines of its own into plans, and into the page by which people start a lab.
func TestNamesKeepToTheirLine(t *testing.T) {
	vm := mo.VirtualMachine{Config: &types.VirtualMachineConfigInfo{Files: types.VirtualMachineFileInfo{VmPathName: "[ds] web\n   [ ] x/web.vmx"}}}
	vm.Name = "web\n   [ ] pull the plug"
	g := newGuest(&vm)
	require.Equal(t, "web\ufffd   [ ] pull the plug", g.Name)
	require.Equal(t, "[ds] web\ufffd   [ ] x/web.vmx", g.Path)
}
