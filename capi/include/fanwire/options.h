/**
 * Everything configurable goes by name; docs/options.md lists the names. A value is
 * text, as a person writes it: "25s", "1MiB", "on", "ws://127.0.0.1:9090/ws".
 *
 * Rooms have namespaces: "news" is that of room "news:sport", what stands before the
 * first colon. For each row "room.X" of the table there is an option "namespace.NAME.X",
 * NAME being 1 to 64 letters, digits, _ or -. A namespace of which any option is set has
 * those and the table's defaults for the others; rooms of other namespaces, and of none,
 * have room.X. Wherever an option is named, namespace.NAME.X may be.
 */
#ifndef FANWIRE_OPTIONS_H
#define FANWIRE_OPTIONS_H

#include <stddef.h>

#include <fanwire/export.h>

FW_BEGIN_DECLS

typedef struct fw_options fw_options;

/**
 * A set of options, each at its default.
 *
 * @return owned by caller, to be given to fw_options_free(); NULL if out of memory
 * @thread any
 * @since  0.1
 */
FW_API fw_options *fw_options_new(void);

/**
 * @param o taken; NULL is allowed
 * @thread any
 * @since  0.1
 */
FW_API void fw_options_free(fw_options *o);

/**
 * Set one option. For an option that is a list the first call replaces the default (or
 * what a file or the environment set before) and later calls add; commas separate too.
 *
 * @param name  borrowed, "redis.url"
 * @param value copied; "" is an empty text, and empties a list
 * @return FW_OK
 *         FW_ERR_OPTION no such name, wrong type, or out of range: the detail says which
 *         and what is allowed, "NAME: VALUE: ...", without passwords of URLs
 *         FW_ERR_INVALID an argument is NULL; FW_ERR_MEMORY
 * @thread any, one at a time for one set
 * @since  0.1
 */
FW_API int fw_options_set(fw_options *o, const char *name, const char *value);

/**
 * The present value of an option as text; a list is joined by commas. Of a namespace of
 * which no option was set it is what its rooms have: that of "room.X".
 *
 * @return valid until the option is set again or the set is freed; NULL for an unknown
 *         name
 * @thread any, one at a time for one set
 * @since  0.1
 */
FW_API const char *fw_options_get(const fw_options *o, const char *name);

/**
 * The same as it may be shown to people and written to logs: without passwords.
 *
 * @return as fw_options_get
 * @thread any, one at a time for one set
 * @since  0.1
 */
FW_API const char *fw_options_shown(const fw_options *o, const char *name);

/**
 * Set options from an INI file: dotted keys, or sections ("[redis]" and "url = ...").
 * Lists are repeated or separated by commas, and replace what they were before. Comments
 * begin with # or ; at the start of a line, or with " ;" behind a value. A line has at
 * most 197 bytes.
 *
 * @param path borrowed
 * @return FW_OK
 *         FW_ERR_SYSTEM can't be read
 *         FW_ERR_OPTION a line is wrong: the detail begins with "FILE:LINE: "
 *         FW_ERR_INVALID an argument is NULL; FW_ERR_MEMORY
 * @thread any, one at a time for one set
 * @since  0.1
 */
FW_API int fw_options_load(fw_options *o, const char *path);

/**
 * Set options from environment variables: FANWIRE_REDIS_URL is redis.url, and
 * FANWIRE_NAMESPACE_NEWS_HISTORY_SIZE namespace.news.history.size, the namespace's name
 * in lower case. A variable
 * that begins with FANWIRE_ and names no option is an error, as a misspelt flag is;
 * FANWIRE_CONFIG is left for fanwired.
 *
 * @return FW_OK, FW_ERR_OPTION, FW_ERR_INVALID o is NULL, FW_ERR_MEMORY
 * @thread any, while nobody changes the environment
 * @since  0.1
 */
FW_API int fw_options_load_env(fw_options *o);

/**
 * The table of options, row by row, to make a manual of or keyword arguments. Options of
 * namespaces are no rows of it: the names of rows that begin with "room." say which there
 * are.
 *
 * @param index 0 and up
 * @return the name, valid for ever; NULL past the last
 * @thread any
 * @since  0.1
 */
FW_API const char *fw_options_name(size_t index);

/**
 * What the table says of an option.
 *
 * @param name  borrowed
 * @param field "type" (text, number, duration, size, switch, list, choice), "default",
 *              "allowed" (range or choices as a sentence), "since", "help", "group"
 *              (the heading that it stands under in a manual) or "reload" ("on": a hub
 *              that runs takes it over, see fw_hub_reload; "off")
 * @return valid for ever; NULL for an unknown name or field
 * @thread any
 * @since  0.1
 */
FW_API const char *fw_options_describe(const char *name, const char *field);

FW_END_DECLS

#endif
