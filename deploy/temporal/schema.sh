#!/bin/sh
# Creates or migrates Temporal's two databases. Run by docker-compose.yml at every start; changes nothing where the
# schema is current. The versioned SQL is that of the image: the image's tag must be the server's.
set -eu

SQL_PASSWORD=$(cat /run/secrets/postgres-password)
export SQL_PASSWORD

for database in temporal temporal_visibility; do
	case $database in
	temporal) schema=temporal ;;
	*) schema=visibility ;;
	esac
	temporal-sql-tool --database "$database" create
	temporal-sql-tool --database "$database" setup-schema --version 0.0
	temporal-sql-tool --database "$database" update-schema \
		--schema-dir "/etc/temporal/schema/postgresql/v12/$schema/versioned"
done
