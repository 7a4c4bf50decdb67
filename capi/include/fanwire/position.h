/**
 * A position: a place in the history of a room, behind a message of it. Offsets of an
 * epoch count 1, 2, 3 ...; the epoch is a random number that is drawn anew when what was
 * kept is lost or forgotten, so positions of different epochs say nothing of each other.
 *
 * Who keeps the position of the last message that it has seen can ask for what came
 * behind it: fw_session_join_since, fw_room_history.
 */
#ifndef FANWIRE_POSITION_H
#define FANWIRE_POSITION_H

#include <stdint.h>

#include <fanwire/export.h>

FW_BEGIN_DECLS

typedef struct fw_position {
    uint64_t epoch;  /**< 0: of no history, or not known */
    uint64_t offset; /**< how-manieth message of the epoch; 0: before the first */
} fw_position;

/** Room for the text of a position with its NUL. */
#define FW_POSITION_TEXT 38

/**
 * A position as "EPOCH/OFFSET": 16 hexadecimal digits, and a decimal number.
 *
 * @param text out, FW_POSITION_TEXT bytes
 * @return text
 * @thread any
 * @since  0.1
 */
FW_API char *fw_position_text(fw_position position, char *text);

/**
 * @param text     borrowed; "EPOCH/OFFSET": 1 to 16 hexadecimal digits, and a decimal
 *                 number. So "0/5" is {0, 5}
 * @param position out, written on success
 * @return FW_OK or FW_ERR_INVALID
 * @thread any
 * @since  0.1
 */
FW_API int fw_position_parse(const char *text, fw_position *position);

FW_END_DECLS

#endif
