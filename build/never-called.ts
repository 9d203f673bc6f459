/** In the bundle, in the place of packages that are loaded by another and never called. */
function neverCalled(): never {
  throw new Error('a package that is not in the bundle was called');
}

export default neverCalled;
