/* SPDX-License-Identifier: MIT */
#include "ctl.h"

#include <blanket/acl.h>

void ctl_begin(struct ctl *ctl)
{
    ctl->records = 0;
    if (ctl->json) {
        putchar('[');
    }
}

void ctl_end(struct ctl *ctl)
{
    if (ctl->json) {
        puts(ctl->records != 0 ? "\n]" : "]");
    }
}

void ctl_record(struct ctl *ctl)
{
    if (ctl->json) {
        fputs(ctl->records != 0 ? ",\n {" : "\n {", stdout);
    }
    ctl->fields = 0;
    ctl->records++;
}

void ctl_record_end(struct ctl *ctl)
{
    puts(ctl->json ? "}" : "");
}

static void key_print(struct ctl *ctl, const char *key)
{
    if (ctl->json) {
        printf("%s\"%s\": ", ctl->fields++ != 0 ? ", " : "", key);
    } else {
        printf("%s%s ", ctl->fields++ != 0 ? "  " : "", key);
    }
}

/* Names and paths are what others chose: nothing of them may end the string, or reach a terminal raw. */
void ctl_text(struct ctl *ctl, const char *key, const char *value)
{
    key_print(ctl, key);
    if (ctl->json) {
        putchar('"');
    }
    for (const char *at = value; *at != 0; at++) {
        unsigned char byte = (unsigned char)*at;

        if (byte < ' ' || byte >= 0x7f || (ctl->json && (byte == '"' || byte == '\\'))) {
            printf("\\u%04x", byte);
        } else {
            putchar(byte);
        }
    }
    if (ctl->json) {
        putchar('"');
    }
}

void ctl_number(struct ctl *ctl, const char *key, uint64_t value)
{
    key_print(ctl, key);
    printf("%llu", (unsigned long long)value);
}

void ctl_handle(struct ctl *ctl, const char *key, uint64_t handle)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%u.%u", (unsigned)(uint32_t)handle,
                   (unsigned)(handle >> 32));
    ctl_text(ctl, key, text);
}

void ctl_rights_print(struct ctl *ctl, const char *key, uint32_t rights)
{
    char text[512] = "";
    size_t used = 0;

    for (unsigned right = 0; right < BLANKET_RIGHT_COUNT; right++) {
        if ((rights & 1u << right) != 0 && used < sizeof(text)) {
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", used != 0 ? "," : "",
                                     blanket_right_name(right));
        }
    }
    ctl_text(ctl, key, rights == BLANKET_RIGHTS_ALL ? "all" : text);
}
