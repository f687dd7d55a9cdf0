#!/bin/sh
# Run by dpkg and rpm after the files are there. The service is not started: it needs a lab file first.
set -eu
if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers nightshift.conf
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
if getent group nightshift >/dev/null; then
	chgrp nightshift /etc/nightshift && chmod 0750 /etc/nightshift
fi
