# docker buildx build --target full --platform linux/amd64,linux/arm64 .   (or --target init: the init container alone)
# Without --build-arg "REVISION=$(hack/revision)" neither `version` nor the label has the commit: the builder does not receive the checkout.
# hack/image makes such an image without a daemon.
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082

# The compiler runs on the machine that builds, for the other architecture too.
FROM --platform=$BUILDPLATFORM ${RUST_IMAGE} AS build
ARG TARGETARCH BUILDARCH
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates musl-tools \
      $([ "$TARGETARCH" = "$BUILDARCH" ] || case $TARGETARCH in \
          amd64) echo gcc-x86-64-linux-gnu libc6-dev-amd64-cross ;; \
          arm64) echo gcc-aarch64-linux-gnu libc6-dev-arm64-cross ;; esac) \
 && rm -rf /var/lib/apt/lists/* \
 && cargo install --locked --root /usr/local cargo-auditable@0.7.7
WORKDIR /src
# The pages are inside the program: `explain` prints them.
ARG AI_PROVIDER_SEED_DOCS_URL=
ENV AI_PROVIDER_SEED_DOCS_URL=$AI_PROVIDER_SEED_DOCS_URL
# `version` prints it.
ARG REVISION=
ENV AI_PROVIDER_SEED_COMMIT=$REVISION
COPY Cargo.toml Cargo.lock build.rs ./
COPY docs/codes.md docs/conflicts.md docs/controller.md docs/outcomes.md docs/
COPY src src
# The target brings its own libc and start files; a compiler is needed for the C in the TLS library, and no machine path gets into it.
# hack/build explains the missing unwind tables and the packed relocations.
COPY hack/no-unwinding.ld hack/
ENV RUSTFLAGS="-Clink-arg=-Thack/no-unwinding.ld -Clink-arg=--pack-dyn-relocs=relr --remap-path-prefix=/src=/src --remap-path-prefix=/usr/local/cargo=/cargo"
RUN printf '%s\n' 'set -eu' \
      'case $TARGETARCH in amd64) cpu=x86_64 ;; arm64) cpu=aarch64 ;; *) echo "unknown $TARGETARCH" >&2; exit 2 ;; esac' \
      'triple=$cpu-unknown-linux-musl; variable=$(echo $triple | tr - _); upper=$(echo $variable | tr a-z A-Z)' \
      'if [ "$TARGETARCH" = "$BUILDARCH" ]; then export CC_$variable=musl-gcc; else export CC_$variable=$cpu-linux-gnu-gcc; fi' \
      'export CARGO_TARGET_${upper}_LINKER=rust-lld' \
      'rustup target add $triple' \
      'cargo auditable build --locked --release --target $triple "$@"' \
      'mkdir -p /out && install -m 0755 target/$triple/release/ai-provider-seed /out/ai-provider-seed' >/compile

FROM build AS build-init
ARG TARGETARCH BUILDARCH
RUN sh /compile --no-default-features

FROM build AS build-full
ARG TARGETARCH BUILDARCH
RUN sh /compile

FROM build AS notices
COPY LICENSE LICENSE
COPY licences/LIST licences/TEXTS licences/
COPY hack/notices hack/
RUN hack/notices /out

FROM scratch AS base
ARG VERSION=0.1.0 REVISION=unknown CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="ai-provider-seed" \
      org.opencontainers.image.description="Brings the AI providers of a Coder environment and its Postgres database together, before the pod starts" \
      org.opencontainers.image.url="https://github.com/aiproviders/ai-provider-seed" \
      org.opencontainers.image.documentation="https://github.com/aiproviders/ai-provider-seed/blob/main/docs/README.md" \
      org.opencontainers.image.source="https://github.com/aiproviders/ai-provider-seed" \
      org.opencontainers.image.vendor="aiproviders" \
      org.opencontainers.image.authors="https://github.com/aiproviders/ai-provider-seed/graphs/contributors" \
      org.opencontainers.image.licenses="Apache-2.0 AND BSD-3-Clause AND ISC AND MIT AND MPL-2.0 AND Unicode-3.0 AND Zlib" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"
COPY --from=notices /out /
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# A number, so that runAsNonRoot can be checked; any other user works as well.
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/ai-provider-seed"]

FROM base AS init
COPY --from=build-init /out/ai-provider-seed /ai-provider-seed

FROM base AS full
COPY --from=build-full /out/ai-provider-seed /ai-provider-seed
