# nightshift in a container: one static binary, no shell, not root.
#
#   docker build -t nightshift:local .
#
# Tried with buildah, on images made in the place of the two below: no registry was at hand.
# Secret references of the kind exec:COMMAND need that command in the image. This one has none; use file: or env:, or
# copy /usr/local/bin/nightshift into an image that has it.

FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/nightshift ./starter \
 && mkdir /out/state

# CA certificates, time zones and a user; by digest, for this image has no version tags.
FROM gcr.io/distroless/static-debian13:nonroot@sha256:e2e927ec666bae08560abb3c55d0659eceabb657f56b6782ab500a9fc7f555e3
COPY --from=build /out/nightshift /usr/local/bin/nightshift
COPY --from=build --chown=65532:65532 --chmod=0700 /out/state /var/lib/nightshift
ENV NIGHTSHIFT_STATE_DIR=/var/lib/nightshift
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/nightshift"]
CMD ["worker"]
