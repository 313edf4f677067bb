# The gateway: the way out of containers without a network. Rendered by pinnace-build: do not edit.
FROM debian:trixie-20260101-slim@sha256:ba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5e AS distribution

# hadolint ignore=DL3006
FROM distribution
# Packages, refreshed 2026-01-01, as in the other images; none of their services is started. Any
# user may run them, so that no directory belongs to one, and none can be written to but the places
# below and /tmp: a launch mounts something at all of them.
# hadolint ignore=DL3008
RUN --mount=type=secret,id=pinnace-ca,target=/dev/shm/ca,mode=0444 \
    --mount=type=secret,id=pinnace-sources,target=/dev/shm/sources,mode=0444 \
    set -eu; \
    export DEBIAN_FRONTEND=noninteractive; \
    touch /dev/shm/begin; \
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; \
    chmod 0755 /usr/sbin/policy-rc.d; \
    if [ -s /dev/shm/ca ]; then set -- -o Acquire::https::CAInfo=/dev/shm/ca; fi; \
    if [ -s /dev/shm/sources ]; then \
        set -- "$@" -o Dir::Etc::SourceList=/dev/shm/sources -o Dir::Etc::SourceParts=/dev/null; \
    fi; \
    apt-get "$@" update -q; \
    apt-get "$@" install -qy --no-install-recommends \
        bash \
        ca-certificates \
        haproxy \
        openssl \
        socat \
        squid-openssl; \
    rm /usr/sbin/policy-rc.d; \
    groupadd --gid 1000 agent; \
    useradd --no-log-init --uid 1000 --gid 1000 --home-dir /nonexistent \
        --shell /bin/bash --no-create-home agent; \
    find / -xdev -perm /6000 -type f -exec chmod ug-s {} +; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/* /var/cache/debconf/*-old \
        /var/log/* /etc/*- /tmp/*; \
    rm -rf /run/haproxy /run/squid /var/spool/squid; \
    find / -xdev ! -type l -perm /0002 ! -path /tmp -exec chmod o-w {} +; \
    install --directory /etc/pinnace /var/spool/squid; \
    install --directory --mode=1777 /run/pinnace/sockets /var/log/pinnace; \
    find / -xdev -writable -newer /dev/shm/begin \
        -exec touch --no-dereference --date=@1767225600 {} +

ENV LANG=C.UTF-8

LABEL org.opencontainers.image.title="The way out of containers without a network" \
      org.opencontainers.image.created="2026-01-01T00:00:00+00:00" \
      org.opencontainers.image.base.name="debian:trixie-20260101-slim" \
      org.opencontainers.image.base.digest="sha256:ba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5eba5e" \
      pinnace.gateway="1"

USER 1000:1000
CMD ["bash"]
