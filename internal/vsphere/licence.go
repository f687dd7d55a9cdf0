package vsphere

import (
	"context"
	"strings"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// readOnly says whether the licence lets the API only read: that of the free ESXi, which no vCenter can manage, so that
// only direct hosts are asked. hidden: the account may not see licences.
func (c *Client) readOnly(ctx context.Context) (readOnly, hidden bool, err error) {
	manager := c.vim.ServiceContent.LicenseManager
	if manager == nil || c.vim.IsVC() {
		return false, false, nil
	}
	got, err := c.retrieve(ctx, wants{"LicenseManager": {"licenses"}}, object(*manager))
	if err != nil {
		return false, false, err
	}
	for _, m := range allOf[mo.LicenseManager](got) {
		for _, l := range m.Licenses {
			if freeLicence(l) {
				return true, got.hidden, nil
			}
		}
	}
	return false, got.hidden, nil
}

// freeLicence knows the free ESXi by its edition ("esxBasic", "esx.hypervisor…") or name ("VMware vSphere 8 Hypervisor").
func freeLicence(l types.LicenseManagerLicenseInfo) bool {
	edition, name := strings.ToLower(l.EditionKey), strings.ToLower(l.Name)
	return strings.HasPrefix(edition, "esxbasic") || strings.HasPrefix(edition, "esx.hypervisor") || strings.HasSuffix(name, "hypervisor")
}
