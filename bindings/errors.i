/*
 * error.h for SWIG, which can't expand the list in it: the functions again. The numbers
 * become constants in each language's typemaps, by FW_ERROR_MAP itself.
 */

/** The general sentence for an error number. */
const char *fw_strerror(int err);
/** The name of an error number: "FW_ERR_GONE". */
const char *fw_err_name(int err);
/** Can the same call succeed later? */
int fw_err_is_retriable(int err);
/** What exactly went wrong in the last call of this thread that failed. */
const char *fw_error_detail(void);
