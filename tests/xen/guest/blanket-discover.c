/* SPDX-License-Identifier: MIT */
/*
 * Ask the hypervisor of this dom0 whether it has blanket, through privcmd. Prints "present",
 * "absent (ERRNO)" or "other (VALUE)". With --wrong-magic the question isn't blanket's.
 */
#define _GNU_SOURCE /* strerrorname_np */
#include <blanket/wire.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xencall.h>

int main(int argc, char **argv)
{
    bool wrong = argc > 1 && strcmp(argv[1], "--wrong-magic") == 0;
    xencall_handle *hypercalls = xencall_open(NULL, 0);
    int answer;

    if (hypercalls == NULL) {
        perror("xencall_open");
        return 1;
    }
    answer = xencall3(hypercalls, BLANKET_HYPERCALL_DEFAULT, BLANKET_FORM_QUERY,
                      BLANKET_QUERY_MAGIC + (wrong ? 1 : 0), 0);
    if (answer == BLANKET_SIGNATURE) {
        puts("present");
    } else if (answer < 0) {
        printf("absent (%s)\n", strerrorname_np(errno));
    } else {
        printf("other (%d)\n", answer);
    }
    xencall_close(hypercalls);
    return 0;
}
