// The picture: one canvas, one half of it for each face, one camera for all.
import * as THREE from "./three.js";
import { KeyLamp } from "./light.js";

const FOV = 20; // degrees, upright: about an 85 mm portrait lens
const FILL = 0.8; // share of the height that the head takes
const YAWS = { portrait: 8, front: 0, quarter: 40, profile: 90 }; // degrees to the subject's left

const BACKDROP = /* glsl */ `
  uniform vec2 size;
  uniform vec2 corner;
  void main() {
    vec2 at = (gl_FragCoord.xy - corner) / size - vec2(0.5, 0.55);
    float away = min(dot(at, at) * 2.2, 1.0);
    vec3 c = mix(vec3(0.058, 0.067, 0.080), vec3(0.0135, 0.0155, 0.0185), away * (2.0 - away));
    gl_FragColor = vec4(1.055 * pow(c, vec3(1.0 / 2.4)) - 0.055, 1.0);
  }`;

export class Stage {
  constructor(canvas, faces) {
    this.canvas = canvas;
    this.faces = faces;
    // Not the GPU's own antialiasing: by software it leaves holes between triangles. See `sharp`.
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: false });
    this.isSharp = true;
    this.renderer.outputColorSpace = THREE.LinearSRGBColorSpace; // the shaders encode themselves
    this.renderer.autoClear = false;
    this.lamps = faces.map(() => new KeyLamp());
    this.camera = new THREE.PerspectiveCamera(FOV, 1, 0.02, 20);
    this.controls = new THREE.OrbitControls(this.camera, canvas);
    this.controls.enableDamping = true;
    this.controls.dampingFactor = 0.12;
    this.controls.minDistance = 0.12;
    this.controls.maxDistance = 4;
    this.controls.zoomSpeed = 0.7;
    this.dirty = true;
    this.controls.addEventListener("change", () => (this.dirty = true));
    this.backdrop = new THREE.Scene();
    this.makeBackdrop();
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    this.view = "portrait";
    this.resize();
    this.look("portrait");
  }

  makeBackdrop() {
    const triangle = new THREE.BufferGeometry();
    triangle.setAttribute("position", new THREE.BufferAttribute(new Float32Array([-1, -1, 0, 3, -1, 0, -1, 3, 0]), 3));
    this.backdropMaterial = new THREE.ShaderMaterial({
      vertexShader: "void main() { gl_Position = vec4(position, 1.0); }",
      fragmentShader: BACKDROP,
      depthTest: false,
      depthWrite: false,
      uniforms: { size: { value: new THREE.Vector2() }, corner: { value: new THREE.Vector2() } },
    });
    const mesh = new THREE.Mesh(triangle, this.backdropMaterial);
    mesh.frustumCulled = false;
    this.backdrop.add(mesh);
  }

  /** Rectangles [x, y, width, height] of the faces, CSS pixels from the lower left. */
  halves() {
    const { width, height } = this.size;
    if (this.faces.length === 1) return [[0, 0, width, height]];
    if (width >= height) return [[0, 0, width / 2, height], [width / 2, 0, width / 2, height]];
    return [[0, height / 2, width, height / 2], [0, 0, width, height / 2]];
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas.parentElement;
    if (!clientWidth || !clientHeight) return;
    this.size = { width: clientWidth, height: clientHeight };
    this.renderer.setPixelRatio(this.isSharp ? Math.min(Math.max(window.devicePixelRatio, 2), 3) : 1);
    this.renderer.setSize(clientWidth, clientHeight, false);
    const before = this.camera.aspect;
    const [, , width, height] = this.halves()[0];
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    if (this.view && before !== this.camera.aspect) this.look(this.view);
    this.dirty = true;
  }

  /** At least four samples a CSS pixel, which the browser averages; or one, where a machine is slow. */
  sharp(on) {
    if (on === this.isSharp) return;
    this.isSharp = on;
    this.resize();
  }

  /** Go to a named view: portrait, front, quarter (from the subject's left) or profile. */
  look(view) {
    const yaw = (YAWS[view] * Math.PI) / 180;
    const subject = this.faces[0];
    const fits = Math.max(1, 1.0 / this.camera.aspect);
    const away = ((subject.height / FILL) * fits) / 2 / Math.tan((FOV * Math.PI) / 360) + 0.05;
    this.controls.target.copy(subject.middle);
    this.camera.position.set(Math.sin(yaw), 0, Math.cos(yaw)).multiplyScalar(away).add(subject.middle);
    this.controls.update();
    this.view = view;
    this.dirty = true;
  }

  wireframe(on) {
    for (const face of this.faces) face.wire.visible = on;
    this.dirty = true;
  }

  draw() {
    this.controls.update();
    if (!this.dirty) return;
    this.dirty = false;
    this.render();
  }

  render() {
    const { renderer, camera } = this;
    camera.updateMatrixWorld();
    const ratio = renderer.getPixelRatio();
    renderer.setScissorTest(false);
    this.faces.forEach((face, i) => this.lamps[i].shine(renderer, face, camera));
    renderer.setScissorTest(true);
    this.halves().forEach(([x, y, width, height], i) => {
      renderer.setViewport(x, y, width, height);
      renderer.setScissor(x, y, width, height);
      renderer.clear();
      this.backdropMaterial.uniforms.size.value.set(width * ratio, height * ratio);
      this.backdropMaterial.uniforms.corner.value.set(x * ratio, y * ratio);
      renderer.render(this.backdrop, camera);
      renderer.render(this.faces[i].scene, camera);
    });
  }

  /** The picture as it is, as a PNG. */
  picture() {
    this.render(); // what was drawn before this task is gone
    return new Promise((resolve) => this.canvas.toBlob(resolve, "image/png"));
  }

  /** Where a point of face i is in the picture, CSS pixels from the canvas' upper left. */
  place(point, i = 0) {
    const at = point.clone().project(this.camera);
    const [x, y, width, height] = this.halves()[i];
    return [x + (0.5 + 0.5 * at.x) * width, this.size.height - y - (0.5 + 0.5 * at.y) * height];
  }
}
