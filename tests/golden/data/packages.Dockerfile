# What a project adds to the pinned image. Rendered by pinnace: do not edit.
FROM pinnace
USER 0:0
# Two secrets may be given, and stay out of the image: a CA bundle for https, and a mirror's sources.
# Java's packages put a link into a directory that images without manuals lack (Debian #863199).
# hadolint ignore=DL3008
RUN --mount=type=secret,id=pinnace-ca,target=/dev/shm/ca,mode=0444 \
    --mount=type=secret,id=pinnace-sources,target=/dev/shm/sources,mode=0444 \
    set -eu; \
    export DEBIAN_FRONTEND=noninteractive; \
    mkdir -p /usr/share/man/man1; \
    if [ -s /dev/shm/ca ]; then set -- -o Acquire::https::CAInfo=/dev/shm/ca; fi; \
    if [ -s /dev/shm/sources ]; then \
        set -- "$@" -o Dir::Etc::SourceList=/dev/shm/sources -o Dir::Etc::SourceParts=/dev/null; \
    fi; \
    apt-get "$@" update -q; \
    apt-get "$@" install -qy --no-install-recommends \
        jq=1.7.1-3 \
        tree; \
    find / -xdev -perm /6000 -type f -exec chmod ug-s {} +; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/* /tmp/*
USER 1000:1000
