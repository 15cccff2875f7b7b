# SPDX-License-Identifier: MIT
# As plain-l1; then L1's dom0 calls what L1 Xen offers, in the plainest way.
: "${me:?}"
. /bed/plain-l1.sh
mark probe "$(blanket-probe 2>&1)"
# Xen looks for channels that are bound no more now and then: one of the probe's that it finds later would be taken for
# the next user's, who binds none.
sleep 3
. /bed/holder.sh
