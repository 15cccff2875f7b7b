/* SPDX-License-Identifier: MIT */
/*
 * A Linux driver, to be built for the kernel of a domain of an L1 Xen: /dev/xen/blanket
 * (blanket/port/xen-linux.h). Out of the tree; kernels of 5.10 and later.
 */
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <asm/xen/hypercall.h>
#include <xen/xen.h>

#define BLANKET_ENV_HEADER "env_linux.h"
#include <blanket/port/xen-linux.h>
#include <blanket/port/xen.h>

#define FRAME_ORDER get_order(BLANKET_FRAME_SIZE_MAX)

static unsigned int number = BLANKET_HYPERCALL_DEFAULT;
module_param(number, uint, 0444);
MODULE_PARM_DESC(number, "of the hypercall nested_op (43)");

struct blanket_file {
    struct mutex lock; /* of the frame */
    void *frame;       /* memory that doesn't fault while the hypervisor copies */
};

static long hypercall(const struct blanket_linux_hypercall *call, unsigned long first)
{
    return xen_single_call(number, call->form, first, call->arguments[1], call->arguments[2],
                           call->arguments[3]);
}

/* A frame goes through our own memory. 0, and call->result; or an error of Linux's. */
static long frame_call(struct blanket_file *file, struct blanket_linux_hypercall *call)
{
    void __user *frame = (void __user *)(unsigned long)call->arguments[0];
    long rc;

    if (mutex_lock_interruptible(&file->lock)) {
        return -EINTR;
    }
    rc = copy_from_user(file->frame, frame, BLANKET_FRAME_SIZE_MAX) ? -EFAULT : 0;
    if (rc == 0) {
        call->result = hypercall(call, (unsigned long)file->frame);
        /* What was done can't be undone: only its caller's mistake, memory that is read-only, comes here. */
        rc = copy_to_user(frame, file->frame, BLANKET_FRAME_SIZE_MAX) ? -EFAULT : 0;
    }
    mutex_unlock(&file->lock);
    return rc;
}

static long blanket_ioctl(struct file *opened, unsigned int command, unsigned long argument)
{
    struct blanket_linux_hypercall __user *user = (void __user *)argument;
    struct blanket_linux_hypercall call;
    long rc = 0;

    BUILD_BUG_ON(BLANKET_LINUX_HYPERCALL != _IOWR('B', 43, struct blanket_linux_hypercall));
    if (command != BLANKET_LINUX_HYPERCALL) {
        return -ENOTTY;
    }
    if (copy_from_user(&call, user, sizeof(call))) {
        return -EFAULT;
    }
    if (call.zero != 0) {
        return -EINVAL;
    }
    switch (call.form) {
    case BLANKET_FORM_CALL:
        rc = frame_call(opened->private_data, &call);
        break;
    case BLANKET_FORM_QUERY:
    case BLANKET_FORM_SEND:
    case BLANKET_FORM_EVENT:
        call.result = hypercall(&call, call.arguments[0]);
        break;
    default:
        return -EINVAL;
    }
    if (rc == 0 && put_user(call.result, &user->result)) {
        rc = -EFAULT;
    }
    return rc;
}

static int blanket_open(struct inode *inode, struct file *opened)
{
    struct blanket_file *file = kzalloc(sizeof(*file), GFP_KERNEL);

    if (!file) {
        return -ENOMEM;
    }
    file->frame = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, FRAME_ORDER);
    if (!file->frame) {
        kfree(file);
        return -ENOMEM;
    }
    mutex_init(&file->lock);
    opened->private_data = file;
    return nonseekable_open(inode, opened);
}

static int blanket_release(struct inode *inode, struct file *opened)
{
    struct blanket_file *file = opened->private_data;

    free_pages((unsigned long)file->frame, FRAME_ORDER);
    kfree(file);
    return 0;
}

static const struct file_operations operations = {
    .owner = THIS_MODULE,
    .open = blanket_open,
    .release = blanket_release,
    .unlocked_ioctl = blanket_ioctl,
    .compat_ioctl = blanket_ioctl, /* one layout for both */
    .llseek = no_llseek,
};

static struct miscdevice device = {
    .minor = MISC_DYNAMIC_MINOR,
    .name = "xen/blanket",
    .mode = 0600,
    .fops = &operations,
};

static int __init blanket_init(void)
{
    if (!xen_domain() || xen_single_call(number, BLANKET_FORM_QUERY, BLANKET_QUERY_MAGIC, 0, 0, 0) != BLANKET_SIGNATURE) {
        return -ENODEV;
    }
    return misc_register(&device);
}

static void __exit blanket_exit(void)
{
    misc_deregister(&device);
}

module_init(blanket_init);
module_exit(blanket_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("blanket's nested hypercall for user space");
