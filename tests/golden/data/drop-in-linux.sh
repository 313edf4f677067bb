#!/bin/sh
# pinnace-shim: 1, provisions
# Claude Code, run by Pinnace in a container. `pinnace shim uninstall` removes this.
python='/srv/it'"'"'s $HOME/venv/bin/python'
[ -x "$python" ] || {
  printf '%s\n' "pinnace: error: '$python', which runs Pinnace, is not there any more" \
    "pinnace: hint: install it again, then: pinnace shim install --force" >&2
  exit 69
}
exec "$python" -I -c 'from pinnace.shim.drop_in import main; main()' provision "$@"
