/*
 * Hash tables as clang-tidy and cppcheck are told of them: what base/hashmap.h takes from
 * uthash, by macros that they can follow. They take the real ones, which are of up to
 * sixty lines, for code of ours that is far too complex, and believe that what has been
 * taken out is still in the table. Nothing is compiled with this.
 */
#ifndef TESTS_CHECK_PLAIN_UTHASH_H
#define TESTS_CHECK_PLAIN_UTHASH_H

#include <stddef.h>
#include <string.h>

typedef struct UT_hash_table UT_hash_table;

typedef struct UT_hash_handle {
    UT_hash_table *tbl;
    void *prev, *next;
    const void *key;
    unsigned keylen, hashv;
} UT_hash_handle;

UT_hash_table *plain_table(void); /* NULL: out of memory */
unsigned plain_count(const void *head);
unsigned plain_hash(const void *key, size_t len);

#define HASH_VALUE(key_, len_, hash_) ((hash_) = plain_hash(key_, len_))

#define HASH_FIND_BYHASHVALUE(hh, head, key_, len_, hash_, out)                          \
    HASH_FIND(hh, head, key_, len_, out)

#define HASH_FIND(hh, head, key_, len_, out)                                             \
    do {                                                                                 \
        (out) = (head);                                                                  \
        while ((out) && memcmp((out)->hh.key, (key_), (len_)) != 0) {                    \
            (out) = (out)->hh.next;                                                      \
        }                                                                                \
    } while (0)

#define HASH_FIND_STR(head, key_, out) HASH_FIND(hh, head, key_, strlen(key_), out)

#define HASH_ADD_BYHASHVALUE(hh, head, field, len_, hash_, add)                          \
    HASH_ADD(hh, head, field, len_, add)

#define HASH_ADD(hh, head, field, len_, add)                                             \
    HASH_ADD_KEYPTR(hh, head, &(add)->field, len_, add)

#define HASH_ADD_STR(head, field, add)                                                   \
    HASH_ADD_KEYPTR(hh, head, (add)->field, strlen((add)->field), add)

#define HASH_ADD_KEYPTR(hh, head, key_, len_, add)                                       \
    do {                                                                                 \
        (add)->hh.tbl = plain_table();                                                   \
        (add)->hh.key = (key_);                                                          \
        (add)->hh.prev = NULL;                                                           \
        (add)->hh.next = (head);                                                         \
        (head) = (add)->hh.tbl != NULL ? (add) : (head);                                 \
    } while (0)

/* Whichever of the others it is: the first one stays. */
#define HASH_DEL(head, del) ((head) = (head) == (del) ? (del)->hh.next : (head))

#define HASH_CLEAR(hh, head) ((head) = NULL)

#define HASH_COUNT(head) plain_count(head)

#define HASH_ITER(hh, head, el, next_)                                                   \
    for ((el) = (head), (next_) = (head) ? (head)->hh.next : NULL; (el);                 \
         (el) = (next_), (next_) = (next_) ? (next_)->hh.next : NULL)

#endif
