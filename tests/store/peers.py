# SPDX-License-Identifier: MIT
"""
The distribution's own programs for xenstore, unmodified: fetched with apt into the cache, unpacked there,
never installed. As a program: prints the directory that has usr/bin and usr/lib/xen-4.17/bin.
"""
import os
import shutil
import subprocess
import sys
import tempfile

XEN = '4.17'
PACKAGES = ['xenstore-utils', 'xen-utils-' + XEN]
CLIENTS = ['ls', 'read', 'write', 'list', 'rm', 'chmod', 'watch', 'exists']


class Missing(Exception):
    """What isn't there, and can't be fetched."""


def cache():
    base = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    return os.environ.get('BLANKET_CACHE') or os.path.join(base, 'blanket')


def lists_of_our_own(where):
    """Options for an apt whose lists are private: this machine's may be empty, or not ours to change."""
    for part in ('lists/partial', 'cache/archives/partial'):
        os.makedirs(os.path.join(where, part), exist_ok=True)
    options = ['-oDir::State::lists=%s/lists' % where, '-oDir::Cache=%s/cache' % where]
    subprocess.run(['apt-get', '-qq', 'update', '-oAPT::Sandbox::User=', *options], check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return options


def download(where):
    """The packages' files into the directory `where`."""
    if not shutil.which('apt-get') or not shutil.which('dpkg'):
        raise Missing('apt-get and dpkg')
    command = ['apt-get', '-qq', 'download', '-oAPT::Sandbox::User=', *PACKAGES]
    done = subprocess.run(command, cwd=where, check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        options = lists_of_our_own(os.path.join(where, 'apt'))
        done = subprocess.run(command + options, cwd=where, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    if done.returncode:
        raise Missing('%s in apt: %s' % (' '.join(PACKAGES), done.stderr.decode().strip()[-200:]))


def fetch():
    """The directory that the packages were unpacked in."""
    target = os.path.join(cache(), 'store-peers', XEN)
    if os.path.exists(os.path.join(target, '.complete')):
        return target
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(target)) as where:
        download(where)
        unpacked = os.path.join(where, 'root')
        for name in sorted(os.listdir(where)):
            if name.endswith('.deb'):
                subprocess.run(['dpkg', '-x', os.path.join(where, name), unpacked], check=True)
        with open(os.path.join(unpacked, '.complete'), 'w', encoding='ascii'):
            pass
        try:
            os.rename(unpacked, target)
        except OSError:
            if not os.path.exists(os.path.join(target, '.complete')):
                raise  # else somebody else was quicker
    return target


def client(root, name):
    return os.path.join(root, 'usr', 'bin', 'xenstore-' + name)


def program(root, name):
    return os.path.join(root, 'usr', 'lib', 'xen-' + XEN, 'bin', name)


def check(root):
    """They run here: their libraries come with libxen-dev. Raises Missing."""
    for path in [client(root, name) for name in CLIENTS] + [program(root, 'test-xenstore')]:
        done = subprocess.run(['ldd', path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        absent = [line.split()[0] for line in done.stdout.splitlines() if 'not found' in line]
        if absent or done.returncode:
            raise Missing('%s for %s' % (' '.join(absent) or 'what it takes', os.path.basename(path)))


if __name__ == '__main__':
    try:
        print(fetch())
    except Missing as error:
        sys.exit('not here: %s' % error)
