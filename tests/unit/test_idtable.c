/*
 * Ids: which are live, who may claim one, and what a mark is of.
 */
#include "base/idtable.h"

#include <check.h>
#include <pthread.h>

static fwi_idtable t;
static int thing;

static void setup(void)
{
    fwi_idtable_init(&t);
}

static void teardown(void)
{
    fwi_idtable_fini(&t);
}

static void add(uint32_t *index, uint32_t *generation)
{
    ck_assert(fwi_idtable_add(&t, &thing, index, generation));
}

START_TEST(a_slot_that_is_used_again_has_another_id)
{
    uint32_t index, generation, again, next;
    add(&index, &generation);
    ck_assert_ptr_eq(fwi_idtable_get(&t, index, generation), &thing);
    fwi_idtable_remove(&t, index, generation);
    ck_assert(!fwi_idtable_is_live(&t, index, generation));
    add(&again, &next);
    ck_assert_uint_eq(again, index);
    ck_assert(!fwi_idtable_is_live(&t, index, generation));
    ck_assert_ptr_null(fwi_idtable_get(&t, index, generation));
    ck_assert(fwi_idtable_is_live(&t, index, next));
}
END_TEST

START_TEST(a_slot_whose_generations_are_used_up_is_retired)
{
    uint32_t index, generation, other, next;
    add(&index, &generation);
    fwi_idtable_remove(&t, index, generation);
    fwi_idslot *slot = &t.chunk[0][index];
    atomic_store(&slot->state, (uint64_t)(UINT32_MAX - 1) << 3);
    add(&index, &generation);
    ck_assert_uint_eq(generation, UINT32_MAX);
    fwi_idtable_remove(&t, index, generation);
    add(&other, &next);
    ck_assert_uint_ne(other, index);
    ck_assert(!fwi_idtable_is_live(&t, index, generation));
}
END_TEST

START_TEST(a_mark_is_of_one_id_and_goes_with_it)
{
    uint32_t index, generation, other, next;
    add(&index, &generation);
    add(&other, &next);
    fwi_idtable_mark(&t, index, generation, true);
    ck_assert(fwi_idtable_is_marked(&t, index, generation));
    ck_assert(fwi_idtable_is_live(&t, index, generation));
    ck_assert(!fwi_idtable_is_marked(&t, other, next));
    ck_assert_ptr_eq(fwi_idtable_get(&t, index, generation), &thing);
    fwi_idtable_mark(&t, index, generation, false);
    ck_assert(!fwi_idtable_is_marked(&t, index, generation));
    fwi_idtable_mark(&t, index, generation, true);
    fwi_idtable_remove(&t, index, generation);
    ck_assert(!fwi_idtable_is_marked(&t, index, generation));
    fwi_idtable_mark(&t, index, generation, true); /* gone: nothing happens */
    add(&index, &next);
    ck_assert(!fwi_idtable_is_marked(&t, index, next));
}
END_TEST

START_TEST(marked_or_not_an_id_is_claimed_once)
{
    uint32_t index, generation;
    add(&index, &generation);
    fwi_idtable_mark(&t, index, generation, _i != 0);
    ck_assert(!fwi_idtable_claim(&t, index, generation + 1));
    ck_assert(fwi_idtable_claim(&t, index, generation));
    ck_assert(!fwi_idtable_claim(&t, index, generation));
    ck_assert_int_eq(fwi_idtable_is_marked(&t, index, generation), _i != 0);
    ck_assert_ptr_eq(fwi_idtable_get(&t, index, generation), &thing);
    fwi_idtable_remove(&t, index, generation);
    ck_assert(!fwi_idtable_claim(&t, index, generation));
}
END_TEST

enum { IDS = 2000, CLAIMERS = 4 };

static uint32_t ids[IDS][2];

static void *claim_all(void *user)
{
    unsigned *won = user;
    for (int i = 0; i < IDS; i++) {
        *won += fwi_idtable_claim(&t, ids[i][0], ids[i][1]);
    }
    return NULL;
}

START_TEST(of_several_claimers_one_wins_while_the_owner_marks)
{
    pthread_t thread[CLAIMERS];
    unsigned won[CLAIMERS] = {0}, all = 0;
    for (int i = 0; i < IDS; i++) {
        add(&ids[i][0], &ids[i][1]);
    }
    for (int i = 0; i < CLAIMERS; i++) {
        ck_assert_int_eq(pthread_create(&thread[i], NULL, claim_all, &won[i]), 0);
    }
    for (int i = IDS; i-- > 0;) {
        fwi_idtable_mark(&t, ids[i][0], ids[i][1], true);
    }
    for (int i = 0; i < CLAIMERS; i++) {
        pthread_join(thread[i], NULL);
        all += won[i];
    }
    ck_assert_uint_eq(all, IDS);
    for (int i = 0; i < IDS; i++) {
        ck_assert(fwi_idtable_is_marked(&t, ids[i][0], ids[i][1]));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("idtable");
    TCase *tc = tcase_create("ids");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_slot_that_is_used_again_has_another_id);
    tcase_add_test(tc, a_slot_whose_generations_are_used_up_is_retired);
    tcase_add_test(tc, a_mark_is_of_one_id_and_goes_with_it);
    tcase_add_loop_test(tc, marked_or_not_an_id_is_claimed_once, 0, 2);
    tcase_add_test(tc, of_several_claimers_one_wins_while_the_owner_marks);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
