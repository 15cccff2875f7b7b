# SPDX-License-Identifier: MIT
# L0's dom0: an L1 Xen whose policy is FLASK's, enforced.
toolstack_start
config_l1 l1 blanket flask-l1 "xsm=flask flask=enforcing" >/tmp/l1.cfg
domain_run l1 900
