# SPDX-License-Identifier: MIT
# A guest of an L1 with FLASK: it has an endpoint, and uses it.
insmod /modules/00-xen-privcmd.ko unrestricted=1
mark use "$(blanket-flask use 2>&1)"
