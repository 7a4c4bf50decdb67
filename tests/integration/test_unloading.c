/*
 * The library is loaded by dlopen and let go again, as a state of Lua does it with its
 * modules, in a process where somebody else has libwebsockets, too.
 */
#include <check.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include <fanwire/fanwire.h>

static void *load(const char *path)
{
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(lib != NULL, "%s", dlerror()); // NOLINT(concurrency-mt-unsafe)
    return lib;
}

static void *find(void *lib, const char *name)
{
    void *found = dlsym(lib, name);
    ck_assert_ptr_nonnull(found);
    return found;
}

#define FIND(lib, name) ((__typeof__(&(name)))(uintptr_t)find(lib, #name))

static void run_a_hub(void *lib)
{
    fw_options *o = FIND(lib, fw_options_new)();
    fw_hub *hub = NULL;
    ck_assert_int_eq(FIND(lib, fw_options_set)(o, "listen", "ws://127.0.0.1:0/ws"),
                     FW_OK);
    ck_assert_int_eq(FIND(lib, fw_hub_new)(&hub, o), FW_OK);
    FIND(lib, fw_options_free)(o);
    ck_assert_int_eq(FIND(lib, fw_hub_start)(hub), FW_OK);
    FIND(lib, fw_hub_free)(hub);
}

START_TEST(whoever_else_has_libwebsockets_may_use_it_when_we_have_gone)
{
    char path[512];
    snprintf(path, sizeof path, "%s/capi/libfanwire.so", getenv("BUILD_DIR"));
    for (int round = 0; round < 2; round++) {
        Dl_info info;
        void *lib = load(path);
        void (*lws_log)(int, const char *, ...);
        *(void **)&lws_log = find(lib, "_lws_log");
        ck_assert_int_ne(dladdr((void *)(uintptr_t)lws_log, &info), 0);
        void *others = load(info.dli_fname);
        run_a_hub(lib);
        ck_assert_int_eq(dlclose(lib), 0);
        lws_log(1, "an error of somebody else's\n");
        ck_assert_int_eq(dlclose(others), 0);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("unloading");
    TCase *tc = tcase_create("unloading");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, whoever_else_has_libwebsockets_may_use_it_when_we_have_gone);
    suite_add_tcase(s, tc);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
