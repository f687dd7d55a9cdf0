#!/bin/sh
# Run by dpkg and rpm before the files go. On an upgrade the service goes on with the old binary until it is restarted:
# see `nightshift upgrade-check`. What is in /etc/nightshift and /var/lib/nightshift stays.
set -eu
case "${1:-}" in
upgrade | failed-upgrade | deconfigure | 1) exit 0 ;; # dpkg's words; rpm's number of versions that stay
esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now nightshift.service || true # it may never have been started
fi
