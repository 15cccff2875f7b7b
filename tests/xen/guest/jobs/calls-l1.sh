# SPDX-License-Identifier: MIT
# As plain-l1; then L1's dom0 calls what L1 Xen offers, in the plainest way.
: "${me:?}"
. /bed/plain-l1.sh
mark probe "$(blanket-probe 2>&1)"
. /bed/holder.sh
