/** A region is a free text here; this one lets samples of the vendor's documentation run unchanged. */
export const DEFAULT_REGION_ID = 'cn-hangzhou';
