# SPDX-License-Identifier: MIT
# L1's dom0 under FLASK: two guests with one endpoint each, and types that the policy tells apart.
: "${me:?}"
toolstack_start
mark enforce "$(xl getenforce 2>&1)"

# guest_run TYPE: a guest whose endpoint is minted before it runs.
guest_run() {
  {
    config_guest "$1" pv 128 flask flask-guest
    echo "seclabel = \"system_u:system_r:$1\""
  } >"/tmp/$1.cfg"
  if ! xl create -p -q "/tmp/$1.cfg"; then
    mark problem "xl create $1 failed"
    return
  fi
  mark "label-$1" "$(xl list -Z "$1" | tail -n 1)"
  mark "mint-$1" "$(blanket-flask mint "$(xl domid "$1")" 2>&1)"
  xl unpause "$1"
  domain_wait "$1" 100
  mark gone "$1 after $seconds s"
}
guest_run domU_t
guest_run isolated_domU_t
mark audit "$(blanket-flask audit 2>&1)"
xl dmesg | grep 'avc:.*denied.*tclass=blanket' | while read -r line; do
  mark avc "$line"
done
