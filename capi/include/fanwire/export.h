/**
 * Linkage of the public functions.
 */
#ifndef FANWIRE_EXPORT_H
#define FANWIRE_EXPORT_H

#if defined(__GNUC__) || defined(__clang__)
#define FW_API               __attribute__((visibility("default")))
#define FW_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define FW_API
#define FW_PRINTF(fmt, args)
#endif

#ifdef __cplusplus
#define FW_BEGIN_DECLS extern "C" {
#define FW_END_DECLS   }
#else
#define FW_BEGIN_DECLS
#define FW_END_DECLS
#endif

#endif
