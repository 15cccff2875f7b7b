/* SPDX-License-Identifier: MIT */
/* The store, blocking: one function an operation. */
#include "guest_private.h"

#define DECIMAL_SIZE 20u /* digits of the largest 64-bit number */
#define RESTART_MAX 16u  /* of a list that changes while it is read in parts */

static const char error_names[][12] = {
    "",          "EINVAL", "EACCES", "EEXIST", "EISDIR", "ENOENT",  "ENOMEM", "ENOSPC", "EIO",
    "ENOTEMPTY", "ENOSYS", "EROFS",  "EBUSY",  "EAGAIN", "EISCONN", "E2BIG",  "EPERM",
};
#define ERROR_COUNT ((int)(sizeof(error_names) / sizeof(error_names[0])))

const char *blanket_guest_store_error_name(int error)
{
    return error > 0 && error < ERROR_COUNT ? error_names[error] : "?";
}

static uint32_t text_size(const char *text, uint32_t max)
{
    uint32_t size = 0;

    while (size < max && text[size] != '\0') {
        size++;
    }
    return size;
}

int32_t blanket_guest_store_error_parse(const uint8_t *body, uint32_t size)
{
    uint32_t length = text_size((const char *)body, size);

    for (int error = 1; error < ERROR_COUNT; error++) {
        if (text_size(error_names[error], 12) == length &&
            memcmp(error_names[error], body, length) == 0) {
            return error;
        }
    }
    return BLANKET_GUEST_STORE_UNKNOWN;
}

/* Decimal digits of a number, without a NUL. Returns how many. */
static uint32_t number_format(uint64_t number, char digits[DECIMAL_SIZE])
{
    char reversed[DECIMAL_SIZE];
    uint32_t count = 0;

    /* By 32-bit pieces: a freestanding 32-bit build has no 64-bit division. */
    do {
        uint64_t quotient = 0;
        uint32_t rest = 0;

        for (int shift = 48; shift >= 0; shift -= 16) {
            uint32_t piece = (rest << 16) | (uint32_t)((number >> shift) & 0xffffu);

            quotient = (quotient << 16) | (piece / 10);
            rest = piece % 10;
        }
        reversed[count++] = (char)('0' + rest);
        number = quotient;
    } while (number != 0);
    for (uint32_t i = 0; i < count; i++) {
        digits[i] = reversed[count - 1 - i];
    }
    return count;
}

/* A whole decimal number. 0 if it isn't one. */
static int number_parse(const char *text, uint32_t size, uint64_t *number)
{
    uint64_t value = 0;

    if (size == 0 || size > DECIMAL_SIZE) {
        return 0;
    }
    for (uint32_t i = 0; i < size; i++) {
        uint64_t digit = (uint64_t)(uint8_t)text[i] - '0';

        if (digit > 9 || value > (UINT64_MAX / 10) ||
            (value == UINT64_MAX / 10 && digit > UINT64_MAX % 10)) {
            return 0;
        }
        value = value * 10 + digit;
    }
    *number = value;
    return 1;
}

/* Path with its NUL into store->scratch; *size bytes. */
static int path_put(struct blanket_guest_store *store, const char *path, uint32_t *size)
{
    uint32_t length = text_size(path, BLANKET_GUEST_STORE_BODY_MAX);

    if (length == BLANKET_GUEST_STORE_BODY_MAX) {
        return -BLANKET_EMSGSIZE;
    }
    if (store->polling) {
        return -BLANKET_EBUSY;
    }
    memcpy(store->scratch, path, length);
    store->scratch[length] = '\0';
    *size = length + 1;
    return 0;
}

static void request_init(struct blanket_guest_request *request, uint16_t verb, uint32_t type)
{
    memset(request, 0, sizeof(*request));
    request->verb = verb;
    request->type = type;
}

int blanket_guest_store_read(struct blanket_guest_store *store, uint32_t root, uint16_t transaction,
                             const char *path, char *value, uint32_t size_max, uint32_t *size)
{
    struct blanket_guest_request request;
    int rc;

    if (size_max == 0) {
        return -BLANKET_EOVERFLOW;
    }
    request_init(&request, BLANKET_VERB_STORE_READ, BLANKET_GUEST_XS_READ);
    rc = path_put(store, path, &request.payload_size);
    if (rc != 0) {
        return rc;
    }
    request.root = (uint16_t)root;
    request.transaction = transaction;
    request.payload = store->scratch;
    request.reply = value;
    request.reply_max = size_max; /* one too many, so that "too long" and "not wanted" differ */
    rc = blanket_guest_store_run(store, &request);
    if (rc == 0 && request.reply_size == size_max) {
        rc = -BLANKET_EOVERFLOW;
    }
    if (rc == 0) {
        value[request.reply_size] = '\0';
        *size = request.reply_size;
    }
    return rc;
}

int blanket_guest_store_read_number(struct blanket_guest_store *store, uint32_t root,
                                    uint16_t transaction, const char *path, uint64_t *number)
{
    char text[DECIMAL_SIZE + 2];
    uint32_t size;
    int rc = blanket_guest_store_read(store, root, transaction, path, text, sizeof(text), &size);

    if (rc == -BLANKET_EOVERFLOW || (rc == 0 && !number_parse(text, size, number))) {
        rc = BLANKET_GUEST_STORE_EINVAL;
    }
    return rc;
}

/* ---- directory ---- */

/* The list as DIRECTORY_PART gives it: a generation, then names, at the end an empty one. */
struct parts {
    char generation[DECIMAL_SIZE + 1];
    uint32_t size; /* of the names so far */
    int complete;
};

/* Take one part out of store->scratch. 1: the list changed meanwhile, begin again. */
static int part_take(const struct blanket_guest_store *store, uint32_t size, struct parts *parts,
                     char *names, uint32_t size_max)
{
    const char *body = (const char *)store->scratch;
    uint32_t head = text_size(body, size);

    if (head == size || head == 0 || head > DECIMAL_SIZE || head + 1 == size) {
        return -BLANKET_EIO;
    }
    if (parts->size != 0 && memcmp(parts->generation, body, head + 1) != 0) {
        return 1;
    }
    memcpy(parts->generation, body, head + 1);
    body += head + 1;
    size -= head + 1;
    if (body[size - 1] != '\0') {
        return -BLANKET_EIO;
    }
    if (size == 1 || body[size - 2] == '\0') {
        parts->complete = 1;
        size--;
    }
    if (size > size_max - parts->size) {
        return -BLANKET_EOVERFLOW;
    }
    memcpy(names + parts->size, body, size);
    parts->size += size;
    return 0;
}

/* `request` is that of DIRECTORY, and has the root and transaction. */
static int directory_parts(struct blanket_guest_store *store, struct blanket_guest_request *request,
                           const char *path, char *names, uint32_t size_max)
{
    struct parts parts;
    uint32_t restarts = 0;
    int rc = 0;

    memset(&parts, 0, sizeof(parts));
    request->type = BLANKET_GUEST_XS_DIRECTORY_PART;
    while (!parts.complete) {
        uint32_t size;

        rc = path_put(store, path, &size);
        if (rc == 0 && size + DECIMAL_SIZE + 1 > BLANKET_GUEST_STORE_BODY_MAX) {
            rc = -BLANKET_EMSGSIZE;
        }
        if (rc != 0) {
            break;
        }
        size += number_format(parts.size, (char *)store->scratch + size);
        store->scratch[size++] = '\0';
        request->payload = store->scratch;
        request->payload_size = size;
        request->reply = store->scratch;
        request->reply_max = BLANKET_GUEST_STORE_BODY_MAX;
        rc = blanket_guest_store_run(store, request);
        if (rc != 0) {
            break;
        }
        rc = part_take(store, request->reply_size, &parts, names, size_max);
        if (rc == 1 && ++restarts < RESTART_MAX) {
            memset(&parts, 0, sizeof(parts));
        } else if (rc == 1) {
            rc = -BLANKET_EAGAIN;
            break;
        } else if (rc < 0) {
            break;
        }
    }
    request->reply_size = parts.size;
    return rc;
}

int blanket_guest_store_directory(struct blanket_guest_store *store, uint32_t root,
                                  uint16_t transaction, const char *path, char *names,
                                  uint32_t size_max, uint32_t *size)
{
    struct blanket_guest_request request;
    int rc;

    request_init(&request, BLANKET_VERB_STORE_READ, BLANKET_GUEST_XS_DIRECTORY);
    rc = path_put(store, path, &request.payload_size);
    if (rc != 0) {
        return rc;
    }
    request.root = (uint16_t)root;
    request.transaction = transaction;
    request.payload = store->scratch;
    request.reply = names;
    request.reply_max = size_max;
    rc = blanket_guest_store_run(store, &request);
    if (rc == BLANKET_GUEST_STORE_E2BIG) {
        rc = directory_parts(store, &request, path, names, size_max);
    }
    if (rc == 0 && (request.reply_size > size_max ||
                    (request.reply_size != 0 && names[request.reply_size - 1] != '\0'))) {
        rc = request.reply_size > size_max ? -BLANKET_EOVERFLOW : -BLANKET_EIO;
    }
    if (rc == 0) {
        *size = request.reply_size;
    }
    return rc;
}

/* ---- writes ---- */

int blanket_guest_store_write(struct blanket_guest_store *store, uint32_t root,
                              uint16_t transaction, const char *path, const void *value,
                              uint32_t size)
{
    struct blanket_guest_request request;
    int rc;

    request_init(&request, BLANKET_VERB_STORE_WRITE, BLANKET_GUEST_XS_WRITE);
    rc = path_put(store, path, &request.payload_size);
    if (rc == 0 && size > BLANKET_GUEST_STORE_BODY_MAX - request.payload_size) {
        rc = -BLANKET_EMSGSIZE;
    }
    if (rc != 0) {
        return rc;
    }
    if (size != 0) {
        memcpy(store->scratch + request.payload_size, value, size);
    }
    request.payload = store->scratch;
    request.payload_size += size;
    request.root = (uint16_t)root;
    request.transaction = transaction;
    return blanket_guest_store_run(store, &request);
}

int blanket_guest_store_write_number(struct blanket_guest_store *store, uint32_t root,
                                     uint16_t transaction, const char *path, uint64_t number)
{
    char digits[DECIMAL_SIZE];

    return blanket_guest_store_write(store, root, transaction, path, digits,
                                     number_format(number, digits));
}

/* A request whose payload is a path and that names a slot or nothing. */
static int path_request(struct blanket_guest_store *store, struct blanket_guest_request *request,
                        uint32_t root, const char *path)
{
    int rc = path_put(store, path, &request->payload_size);

    if (rc != 0) {
        return rc;
    }
    request->root = (uint16_t)root;
    request->payload = store->scratch;
    return blanket_guest_store_run(store, request);
}

int blanket_guest_store_write_grant(struct blanket_guest_store *store, uint32_t root,
                                    uint16_t transaction, const char *path, uint32_t grant)
{
    struct blanket_guest_request request;

    request_init(&request, BLANKET_VERB_STORE_WRITE_GRANT, BLANKET_GUEST_XS_WRITE);
    request.transaction = transaction;
    request.index = grant;
    return path_request(store, &request, root, path);
}

int blanket_guest_store_write_port(struct blanket_guest_store *store, uint32_t root,
                                   uint16_t transaction, const char *path, uint32_t port)
{
    struct blanket_guest_request request;

    request_init(&request, BLANKET_VERB_STORE_WRITE_PORT, BLANKET_GUEST_XS_WRITE);
    request.transaction = transaction;
    request.index = port;
    return path_request(store, &request, root, path);
}

int blanket_guest_store_remove(struct blanket_guest_store *store, uint32_t root,
                               uint16_t transaction, const char *path)
{
    struct blanket_guest_request request;

    request_init(&request, BLANKET_VERB_STORE_WRITE, BLANKET_GUEST_XS_RM);
    request.transaction = transaction;
    return path_request(store, &request, root, path);
}

/* ---- transactions ---- */

int blanket_guest_store_begin(struct blanket_guest_store *store, uint16_t *transaction)
{
    struct blanket_guest_request request;
    int rc;

    request_init(&request, BLANKET_VERB_STORE_TRANSACT, BLANKET_GUEST_XS_TRANSACTION_START);
    store->next_transaction = store->next_transaction % 0xffffu + 1;
    request.transaction = (uint16_t)store->next_transaction;
    rc = blanket_guest_store_run(store, &request);
    if (rc == 0) {
        *transaction = request.transaction;
    }
    return rc;
}

static int transaction_end(struct blanket_guest_store *store, uint16_t transaction,
                           const char *verdict)
{
    struct blanket_guest_request request;

    request_init(&request, BLANKET_VERB_STORE_TRANSACT, BLANKET_GUEST_XS_TRANSACTION_END);
    request.transaction = transaction;
    return path_request(store, &request, 0, verdict);
}

int blanket_guest_store_commit(struct blanket_guest_store *store, uint16_t transaction)
{
    return transaction_end(store, transaction, "T");
}

int blanket_guest_store_abort(struct blanket_guest_store *store, uint16_t transaction)
{
    return transaction_end(store, transaction, "F");
}

/* ---- watches ---- */

static int watch_id_free(const struct blanket_guest_store *store, uint32_t id)
{
    for (const struct blanket_guest_watch *watch = store->watches; watch != NULL;
         watch = watch->next) {
        if (watch->id == id) {
            return 0;
        }
    }
    return 1;
}

static void watch_remove(struct blanket_guest_store *store, const struct blanket_guest_watch *watch)
{
    struct blanket_guest_watch **link = &store->watches;

    while (*link != NULL && *link != watch) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        *link = watch->next;
    }
}

int blanket_guest_store_watch(struct blanket_guest_store *store, struct blanket_guest_watch *watch,
                              uint32_t root, const char *path)
{
    struct blanket_guest_request request;
    int rc;

    do {
        store->next_watch = store->next_watch % 0xffffu + 1;
    } while (!watch_id_free(store, store->next_watch));
    watch->id = store->next_watch;
    watch->root = root;
    watch->next = store->watches;
    store->watches = watch; /* now: its first event may come before the reply */
    request_init(&request, BLANKET_VERB_STORE_WATCH, BLANKET_GUEST_XS_WATCH);
    request.watch = (uint16_t)watch->id;
    rc = path_request(store, &request, root, path);
    if (rc != 0) {
        watch_remove(store, watch);
    }
    return rc;
}

int blanket_guest_store_unwatch(struct blanket_guest_store *store,
                                struct blanket_guest_watch *watch, const char *path)
{
    struct blanket_guest_request request;

    watch_remove(store, watch);
    request_init(&request, BLANKET_VERB_STORE_WATCH, BLANKET_GUEST_XS_UNWATCH);
    request.watch = (uint16_t)watch->id;
    return path_request(store, &request, watch->root, path);
}
