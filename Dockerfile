# syntax=docker/dockerfile:1
# The server in an image of its own: built from nothing, run by a user without rights, its data in a volume.
#
#   docker build -t tenure .
#   docker run -p 127.0.0.1:8080:8080 -v tenure-data:/var/lib/tenure -e TENURE_INSECURE_NO_AUTH=true tenure
#
# It listens on all addresses of the container, and refuses that while requests are not authenticated unless it is told as
# above: then only trusted services may reach the port.
#
# Both bases are pinned to a release, and to exact bytes where the digests are given:
#   docker build --build-arg BUILD_IMAGE=rust@sha256:… --build-arg RUN_IMAGE=debian@sha256:… .

ARG BUILD_IMAGE=rust:1.91.1-slim-bookworm
ARG RUN_IMAGE=debian:12.12-slim

FROM ${BUILD_IMAGE} AS build
# What RocksDB is compiled with, and its bindings are made with.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends clang libclang-dev make g++ \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# What is compiled is kept between builds; the program is taken out of it.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --bin tenure \
 && install -D target/release/tenure /out/bin/tenure \
 && /out/bin/tenure man --dir /out/man \
 && mkdir --mode 0700 /out/data

FROM ${RUN_IMAGE} AS run
# RocksDB is C++.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libstdc++6 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 65532 tenure \
 && useradd --system --uid 65532 --gid tenure --home-dir /var/lib/tenure --shell /usr/sbin/nologin tenure
COPY --from=build /out/bin/tenure /usr/local/bin/tenure
COPY --from=build /out/man/ /usr/local/share/man/man1/
# A volume that is made from this takes over whose it is.
COPY --from=build --chown=65532:65532 /out/data /var/lib/tenure
USER 65532:65532
VOLUME ["/var/lib/tenure"]
ENV TENURE_DATA=/var/lib/tenure \
    TENURE_LISTEN=0.0.0.0:8080 \
    TENURE_LOG_FORMAT=json
EXPOSE 8080
# Open requests get --grace-period-ms, which is 10 s; then the database is closed. Stop with: docker stop --timeout 30
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["tenure", "health", "--timeout-s", "4"]
ENTRYPOINT ["tenure"]
CMD ["serve"]
