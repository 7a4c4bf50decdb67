/*
 * What cppcheck is told of uthash, which it doesn't find: how HASH_ITER sets its two
 * variables. The real one says so by __typeof and a comma, which cppcheck can't follow;
 * what it says of the rest is true without.
 */
#define HASH_ITER(hh, head, el, next)                                                    \
    for ((el) = (head), (next) = (head) ? (head)->hh.next : 0; (el);                     \
         (el) = (next), (next) = (next) ? (next)->hh.next : 0)
