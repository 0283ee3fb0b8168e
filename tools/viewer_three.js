// What the viewer uses of three.js; tools/build_viewer.sh bundles it. "three" itself re-exports everything.
export {
  BackSide, BufferAttribute, BufferGeometry, Color, DepthTexture, DoubleSide, FrontSide, LinearMipmapLinearFilter,
  LinearSRGBColorSpace, Matrix4, Mesh, Object3D, OrthographicCamera, PerspectiveCamera, Quaternion,
  SRGBColorSpace, Scene, ShaderMaterial, SkinnedMesh, Texture, UnsignedIntType, Vector2, Vector3, Vector4,
  WebGLRenderTarget, WebGLRenderer,
} from "three";
export { OrbitControls } from "three/addons/controls/OrbitControls.js";
export { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
