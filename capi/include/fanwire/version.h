/**
 * Which fanwire this is.
 */
#ifndef FANWIRE_VERSION_H
#define FANWIRE_VERSION_H

#include <fanwire/export.h>

#define FW_VERSION_MAJOR  0
#define FW_VERSION_MINOR  1
#define FW_VERSION_PATCH  0
#define FW_VERSION_STRING "0.1.0"
/** 0x00MMmmpp, to compare with fw_version(). */
#define FW_VERSION ((FW_VERSION_MAJOR << 16) | (FW_VERSION_MINOR << 8) | FW_VERSION_PATCH)

FW_BEGIN_DECLS

/**
 * The version of the library that is loaded, as FW_VERSION was when it was built.
 *
 * @return 0x00MMmmpp
 * @thread any
 * @since  0.1
 */
FW_API unsigned fw_version(void);

/**
 * The same as text, "0.1.0".
 *
 * @return valid for ever
 * @thread any
 * @since  0.1
 */
FW_API const char *fw_version_string(void);

FW_END_DECLS

#endif
