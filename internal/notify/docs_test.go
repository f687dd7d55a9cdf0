package notify

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every URL of the document is one that works, with something in the place of what one has to fill in.
func TestTheURLsOfTheDocument(t *testing.T) {
	b, err := os.ReadFile("../../docs/notifications.md")
	require.NoError(t, err)
	filled := strings.NewReplacer("T00000000-B00000000-XXXXXXXXXXXXXXXXXXXXXXXX", "T12345678-B12345678-abcdefghijklmnopqrstuvwx",
		"GROUP@TENANT/ALTID/OWNER/EXTRA", "11111111-4444-4444-8444-cccccccccccc@22222222-4444-4444-8444-cccccccccccc/33333333012222222222333333333344/44444444-4444-4444-8444-cccccccccccc/V2ESyij_gAljSoUQHvZoZYzlpAoAXExyOl26dlf1xHEx05",
		"ORGANISATION", "example", "WEBHOOKID", "123456789012345678", "TOKEN@telegram", "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaws@telegram", "CHATID", "-1009876543210",
		"gotify.example.com/TOKEN", "gotify.example.com/AbcdefghijklmnO", "APITOKEN@USERKEY", "azGDORePK8gMaC0QOYAMyEEuzJnyUi@uQiRzpo4DXghDmr9QzzfQu27cmVRsG")
	urls := regexp.MustCompile("`((?:smtp|ntfy|slack|teams(?:\\+https)?|discord|telegram|gotify|pushover|matrix|generic\\+https)://[^`…]+)`").FindAllStringSubmatch(string(b), -1)
	require.GreaterOrEqual(t, len(urls), 12)
	for _, u := range urls {
		_, plain, err := Check(t.Context(), channel(t, filled.Replace(u[1])), t.TempDir())
		require.NoError(t, err, u[1])
		require.False(t, plain, u[1])
	}
	for _, s := range Services() {
		require.Contains(t, strings.ReplaceAll(string(b), "google chat", "googlechat hangouts"), s, "every service is named")
	}
}
