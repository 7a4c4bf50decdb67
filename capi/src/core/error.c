/*
 * Error numbers, their names and sentences, all from FW_ERROR_MAP; and the sentence about
 * the last failure, which each thread has for itself. Public functions, so that every
 * layer above base can set and read it.
 */
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/base.h"

static _Thread_local char detail[512];

int fwi_error(int err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    return err;
}

const char *fw_error_detail(void)
{
    return detail;
}

static const struct {
    const char *name, *text;
    int number, retriable;
} errors[] = {
#define ERROR_ROW(name, number, retriable, text)                                         \
    {"FW_ERR_" #name, text, number, retriable},
    FW_ERROR_MAP(ERROR_ROW)
#undef ERROR_ROW
};

const char *fw_strerror(int err)
{
    if (err == FW_OK) {
        return "ok";
    }
    for (size_t i = 0; i < FWI_ARRAY_LEN(errors); i++) {
        if (errors[i].number == err) {
            return errors[i].text;
        }
    }
    return "unknown error";
}

const char *fw_err_name(int err)
{
    if (err == FW_OK) {
        return "FW_OK";
    }
    for (size_t i = 0; i < FWI_ARRAY_LEN(errors); i++) {
        if (errors[i].number == err) {
            return errors[i].name;
        }
    }
    return "FW_ERR_?";
}

int fw_err_is_retriable(int err)
{
    for (size_t i = 0; i < FWI_ARRAY_LEN(errors); i++) {
        if (errors[i].number == err) {
            return errors[i].retriable;
        }
    }
    return 0;
}
