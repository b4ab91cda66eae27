#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# scope: commit
#
# Who wrote it signed it, and who sends it signed last.
set -eu

g() { git -C "$TREE" "$@"; }
author=$(g log -1 --format='%an <%ae>' "$COMMIT")
sender="$(g config user.name) <$(g config user.email)>"
signed=$(g log -1 --format='%(trailers:key=Signed-off-by,valueonly)' "$COMMIT" | grep . || :)
bad=0
if ! echo "$signed" | grep -qxF "$author"; then
	echo "From is '$author', Signed-off-by: '${signed:-none}'"
	bad=1
fi
if [ "$(echo "$signed" | tail -n 1)" != "$sender" ]; then
	echo "the last Signed-off-by is not '$sender' of git config"
	bad=1
fi
exit $bad
