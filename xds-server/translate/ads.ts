/** "Ask the stream that this came from", for every reference from one resource to another. */
export const ADS = { ads: {}, resource_api_version: 'V3' } as const
