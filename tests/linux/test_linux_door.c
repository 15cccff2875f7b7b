/* SPDX-License-Identifier: MIT */
/* The door: what it needs, devices, processes; over a fake Xen. */
#define _GNU_SOURCE
#include "door.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_node_that_is_missing_is_named(void **state)
{
    static const struct {
        const char *node, *says;
        int error, status;
    } rows[] = {{"gntalloc", "/dev/xen/gntalloc: it isn't there", ENOENT, -BLANKET_ENOENT},
                {"gntdev", "/dev/xen/gntdev: this process may not", EACCES, -BLANKET_EPERM},
                {"evtchn", "/dev/xen/evtchn: it isn't there", ENODEV, -BLANKET_ENOENT},
                {"evtchn", "/dev/xen/evtchn: this process may not", EPERM, -BLANKET_EPERM}};
    struct blanket_linux_config config;
    char fault[BLANKET_LINUX_FAULT_SIZE];
    struct blanket_linux *made;
    struct door d;
    size_t i;

    (void)state;
    door_prepare(&d);
    config = door_config(&d);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fake_open_error(rows[i].node, rows[i].error);
        assert_int_equal(blanket_linux_create(&config, &made, fault), rows[i].status);
        assert_non_null(strstr(fault, rows[i].says));
        fake_open_error(rows[i].node, 0);
    }
    /* What isn't wanted isn't opened; without privcmd less is known. */
    fake_open_error("gntdev", ENOENT);
    fake_open_error("privcmd", EACCES);
    config.mappings = 0;
    assert_int_equal(blanket_linux_create(&config, &made, fault), 0);
    blanket_linux_destroy(made);
    fake_end();
}

static void a_store_that_is_missing_is_named(void **state)
{
    struct blanket_linux_config config;
    char fault[BLANKET_LINUX_FAULT_SIZE];
    struct blanket_linux *made;
    struct door d;
    FILE *file;

    (void)state;
    door_prepare(&d);
    config = door_config(&d);
    fake_store_stop();
    assert_int_equal(blanket_linux_create(&config, &made, fault), -BLANKET_ENOENT);
    assert_non_null(strstr(fault, fake_socket()));

    /* A file that isn't a store; a socket that nobody listens to. */
    file = fopen(fake_socket(), "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(blanket_linux_create(&config, &made, fault), -BLANKET_ENOENT);
    assert_non_null(strstr(fault, fake_socket()));
    unlink(fake_socket());
    fake_store_start();
    fake_store_crash();
    assert_int_equal(blanket_linux_create(&config, &made, fault), -BLANKET_ENOTCONN);
    assert_non_null(strstr(fault, "xenstored isn't running"));
    fake_store_start();
    fake_end();
}

static void limits_are_checked(void **state)
{
    struct blanket_linux_config config;
    struct blanket_linux *made;
    struct door d;

    (void)state;
    door_prepare(&d);
    config = door_config(&d);
    config.devices = 0;
    assert_int_equal(blanket_linux_create(&config, &made, NULL), -BLANKET_EINVAL);
    config = door_config(&d);
    config.connections = 0;
    assert_int_equal(blanket_linux_create(&config, &made, NULL), -BLANKET_EINVAL);
    config = door_config(&d);
    config.grants = 65537;
    assert_int_equal(blanket_linux_create(&config, &made, NULL), -BLANKET_EINVAL);
    fake_end();
}

static void a_device_is_found_in_the_store(void **state)
{
    struct blanket_linux_device device = door_device("vbd/51713");
    struct door d;

    (void)state;
    door_begin(&d);
    assert_int_equal(d.end.peer_domid, 0);
    assert_int_equal(d.end.grants, 32);
    assert_true(d.end.scope != 0);
    assert_int_equal(fake_shared(), 32);
    assert_int_equal(blanket_linux_device_add(d.linux_door, &device, NULL, 0, NULL),
                     -BLANKET_ENOENT);
    assert_non_null(strstr(blanket_linux_fault(d.linux_door), "vbd/51713: the toolstack gave"));
    device.name = "vbd/51712";
    assert_int_equal(blanket_linux_device_add(d.linux_door, &device, NULL, 0, NULL),
                     -BLANKET_EEXIST);
    device.name = "../51712";
    assert_int_equal(blanket_linux_device_add(d.linux_door, &device, NULL, 0, NULL),
                     -BLANKET_EINVAL);
    fake_device("vbd", 51713);
    device.name = "vbd/51713";
    fake_write("/local/domain/1/device/vbd/51713/backend-id", "0x0");
    assert_int_equal(blanket_linux_device_add(d.linux_door, &device, NULL, 0, NULL), -BLANKET_EIO);
    fake_write("/local/domain/1/device/vbd/51713/backend-id", "0");
    fake_write("/local/domain/1/device/vbd/51713/backend", "/local/domain/2/backend/vbd/1/51713");
    assert_int_equal(blanket_linux_device_add(d.linux_door, &device, NULL, 0, NULL), -BLANKET_EIO);
    assert_non_null(strstr(blanket_linux_fault(d.linux_door), "backend says nonsense"));
    door_end(&d);
}

static void references_of_a_window_follow_each_other(void **state)
{
    const struct blanket_linux_device device = door_device("vbd/51712");
    struct door d;

    (void)state;
    door_prepare(&d);
    fake_device("vbd", 51712);
    door_open(&d);
    fake_fragment(100, 3);
    assert_int_equal(blanket_linux_device_add(d.linux_door, &device, &d.sink, 100, &d.end), 0);
    assert_true(d.end.grant_base >= 106); /* before that, no two follow each other but pairs */
    assert_int_equal(fake_shared(), 32);  /* those that didn't fit were given back */
    assert_int_equal(door_access(&d, 31, 1, 5, 3), 0);
    door_end(&d);
}

static void pages_that_are_not_there(void **state)
{
    const struct blanket_linux_device device = door_device("vbd/51712");
    struct door d;

    (void)state;
    door_prepare(&d);
    fake_device("vbd", 51712);
    door_open(&d);
    fake_limit(20);
    assert_int_equal(blanket_linux_device_add(d.linux_door, &device, &d.sink, 100, &d.end),
                     -BLANKET_ENOSPC);
    assert_non_null(strstr(blanket_linux_fault(d.linux_door), "no page after 20: its limit"));
    assert_int_equal(fake_shared(), 0);
    fake_limit(1024);
    fake_fragment(4000, 2);
    assert_int_equal(blanket_linux_device_add(d.linux_door, &device, &d.sink, 100, &d.end),
                     -BLANKET_ENOSPC);
    assert_non_null(strstr(blanket_linux_fault(d.linux_door), "no 32 follow each other"));
    assert_int_equal(fake_shared(), 0);
    door_end(&d);
}

static void quotas_are_carved_and_come_back(void **state)
{
    struct blanket_linux_device device = door_device("vbd/51713");
    struct blanket_linux_end end;
    struct door d;

    (void)state;
    door_begin(&d);
    fake_device("vbd", 51713);
    device.grants = 225;
    assert_int_equal(blanket_linux_device_add(d.linux_door, &device, NULL, 0, &end),
                     -BLANKET_ENOSPC);
    device.grants = 224;
    assert_int_equal(blanket_linux_device_add(d.linux_door, &device, NULL, 0, &end), 0);
    assert_int_equal(blanket_linux_device_remove(d.linux_door, end.endpoint), 0);
    assert_int_equal(blanket_linux_device_remove(d.linux_door, end.endpoint), -BLANKET_ENOENT);
    assert_int_equal(blanket_linux_device_add(d.linux_door, &device, NULL, 0, &end), 0);
    door_end(&d);
}

static int count_name(void *context, const char *name)
{
    uint32_t *seen = (uint32_t *)context;

    *seen |= strcmp(name, "vbd/51712") == 0 ? 1u : 0;
    *seen |= strcmp(name, "vif/0") == 0 ? 2u : 0;
    return 0;
}

static void hot_plug_is_told_and_found(void **state)
{
    uint32_t seen = 0;
    uint32_t before;
    struct door d;
    int i;

    (void)state;
    door_begin(&d);
    for (i = 0; i < 20; i++) {
        (void)door_process(&d, 10); /* a watch fires once at first */
    }
    assert_int_equal(blanket_linux_scan(d.linux_door, count_name, &seen), 0);
    assert_int_equal(seen, 1);
    before = d.changed;
    fake_device("vif", 0);
    for (i = 0; i < 100 && d.changed == before; i++) {
        (void)door_process(&d, 20);
    }
    assert_true(d.changed > before);
    assert_int_equal(blanket_linux_scan(d.linux_door, count_name, &seen), 0);
    assert_int_equal(seen, 3);
    door_end(&d);
}

static void facts_are_what_may_be_known(void **state)
{
    struct blanket_linux_facts facts;
    struct door d;

    (void)state;
    door_begin(&d);
    blanket_linux_facts(d.linux_door, &facts);
    assert_int_equal(facts.domid, FAKE_SELF);
    assert_int_equal(facts.grant_frames_max, 64);
    blanket_linux_destroy(d.linux_door);
    fake_open_error("privcmd", EACCES);
    door_open(&d);
    blanket_linux_facts(d.linux_door, &facts);
    assert_int_equal(facts.domid, FAKE_SELF);
    assert_int_equal(facts.grant_frames_max, 0xffffffffu);
    door_end(&d);
}

/* The child has none of the pages and may clean up; the parent goes on. */
static void a_child_after_fork_changes_nothing(void **state)
{
    char text[32];
    struct door d;
    int status;
    pid_t child;

    (void)state;
    door_begin(&d);
    strcpy(door_text(&d, 3), "before");
    assert_int_equal(door_access(&d, 0, 1, 3, 3), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        unsigned char there;
        int mapped = mincore(d.memory + 3 * FAKE_PAGE, FAKE_PAGE, &there) == 0;

        blanket_linux_destroy(d.linux_door);
        _exit(mapped);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    strcpy(door_text(&d, 3), "after");
    fake_peer_read(d.end.grant_base, text, sizeof(text));
    assert_string_equal(text, "after");
    assert_int_equal(door_end_access(&d, 0, 1), 0);
    door_end(&d);
}

static void a_device_is_taken_over(void **state)
{
    const struct blanket_linux_device device = door_device("vbd/51712");
    struct door d;

    (void)state;
    door_prepare(&d);
    fake_device("vbd", 51712);
    door_open(&d);
    /* The last frontend died while it was connected, and the backend sits there. */
    fake_write("/local/domain/1/device/vbd/51712/state", "4");
    fake_write("/local/domain/0/backend/vbd/1/51712/state", "4");
    assert_int_equal(blanket_linux_device_add(d.linux_door, &device, &d.sink, 100, &d.end),
                     -BLANKET_EBUSY);
    assert_string_equal(fake_read("/local/domain/1/device/vbd/51712/state"), "5");
    assert_non_null(strstr(blanket_linux_fault(d.linux_door), "doesn't let go (state 4)"));
    /* Now it follows; what the old one published isn't ours. */
    fake_write("/local/domain/1/device/vbd/51712/ring-page-order", "4");
    fake_write("/local/domain/1/device/vbd/51712/queue-0/ring-ref", "77");
    fake_write("/local/domain/0/backend/vbd/1/51712/state", "2");
    assert_int_equal(blanket_linux_device_add(d.linux_door, &device, &d.sink, 100, &d.end), 0);
    assert_string_equal(fake_read("/local/domain/1/device/vbd/51712/state"), "1");
    assert_null(fake_read("/local/domain/1/device/vbd/51712/ring-page-order"));
    assert_null(fake_read("/local/domain/1/device/vbd/51712/queue-0"));
    assert_string_equal(fake_read("/local/domain/1/device/vbd/51712/virtual-device"), "51712");
    door_end(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_that_is_missing_is_named),
        cmocka_unit_test(a_store_that_is_missing_is_named),
        cmocka_unit_test(limits_are_checked),
        cmocka_unit_test(a_device_is_found_in_the_store),
        cmocka_unit_test(references_of_a_window_follow_each_other),
        cmocka_unit_test(pages_that_are_not_there),
        cmocka_unit_test(quotas_are_carved_and_come_back),
        cmocka_unit_test(hot_plug_is_told_and_found),
        cmocka_unit_test(facts_are_what_may_be_known),
        cmocka_unit_test(a_child_after_fork_changes_nothing),
        cmocka_unit_test(a_device_is_taken_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
