/** The viewer on the page, with what it shows. */
export const viewer = () => document.querySelector('#viewer .cv')?.__clvs;
