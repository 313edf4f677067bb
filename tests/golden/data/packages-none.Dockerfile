# What a project adds to the pinned image. Rendered by pinnace: do not edit.
FROM pinnace
USER 0:0
USER 1000:1000
