// What the viewer uses of three.js; tools/build_viewer.sh bundles it. "three" itself re-exports everything.
export {
  BufferAttribute, BufferGeometry, DepthTexture, DoubleSide, LinearMipmapLinearFilter, LinearSRGBColorSpace, Matrix4,
  Mesh, Object3D, OrthographicCamera, PerspectiveCamera, SRGBColorSpace, Scene, ShaderMaterial, SkinnedMesh, Texture,
  UnsignedIntType, Vector2, Vector3, WebGLRenderTarget, WebGLRenderer,
} from "three";
export { OrbitControls } from "three/addons/controls/OrbitControls.js";
export { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
