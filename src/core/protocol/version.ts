/**
 * The name of the protocol, used as the WebSocket subprotocol.
 *
 * History:
 * - `rqb.v1`: first version. JSON text frames.
 */
export const PROTOCOL = 'rqb.v1'
