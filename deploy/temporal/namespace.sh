#!/bin/sh
# Creates nightshift's namespace and its search attributes. Run by docker-compose.yml at every start; what is there is
# left as it is. The addresses and names come from TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE.
set -eu

tries=60
until temporal operator cluster health >/dev/null 2>&1; do
	tries=$((tries - 1))
	if [ "$tries" -eq 0 ]; then
		echo "Temporal at $TEMPORAL_ADDRESS is not healthy after 5 minutes: docker compose logs temporal" >&2
		exit 1
	fi
	sleep 5
done

# A year: a report of last winter's runs is worth its few megabytes.
if ! temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
	temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 365d
fi

# A new namespace is known everywhere after some seconds.
known=
tries=24
while ! known=$(temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE" 2>/dev/null); do
	tries=$((tries - 1))
	if [ "$tries" -eq 0 ]; then
		echo "The namespace $TEMPORAL_NAMESPACE does not answer after 2 minutes: docker compose logs temporal" >&2
		exit 1
	fi
	sleep 5
done
for name in Lab Runbook Target Phase Outcome; do
	if ! echo "$known" | grep -qw "$name"; then
		temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" --name "$name" --type Keyword
	fi
done
