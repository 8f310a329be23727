/** Version of the program, as it is told to control planes and in /server_info. */
export const WEFT_VERSION = "0.1.0";
/** Version of Envoy whose configuration and behaviour this is. */
export const ENVOY_VERSION = "1.40.0";
