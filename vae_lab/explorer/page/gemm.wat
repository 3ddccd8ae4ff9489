;; C[m, n] += A[m, k] · B[k, n] in single precision, with 128-bit SIMD.
;;
;; A and C are stored row by row. B is stored in panels of eight columns, [n/8][k][8], so that the inner loop reads it
;; from front to back; n is a multiple of 8. All addresses are bytes. scripts/compile_kernel.py makes gemm.wasm of this.
(module
  (import "page" "memory" (memory 1))
  (func (export "multiply")
    (param $a i32) (param $b i32) (param $c i32) (param $m i32) (param $k i32) (param $n i32)
    (local $row_a i32) (local $row_c i32)          ;; bytes from a row to the next one
    (local $columns i32) (local $rows i32) (local $left i32)  ;; what is left of n, m and k
    (local $from i32) (local $to i32) (local $p i32)
    (local $x0 i32) (local $x1 i32) (local $x2 i32) (local $x3 i32)  ;; places in four rows of A
    (local $y1 i32) (local $y2 i32) (local $y3 i32)                  ;; the rows of C below $to
    (local $u v128) (local $v v128) (local $s v128)  ;; eight values of a row of B, and one of A four times
    (local $u0 v128) (local $v0 v128) (local $u1 v128) (local $v1 v128)  ;; sums of four rows
    (local $u2 v128) (local $v2 v128) (local $u3 v128) (local $v3 v128)

    (local.set $row_a (i32.shl (local.get $k) (i32.const 2)))
    (local.set $row_c (i32.shl (local.get $n) (i32.const 2)))
    (local.set $columns (local.get $n))
    (loop $each_panel
      (local.set $rows (local.get $m))
      (local.set $from (local.get $a))
      (local.set $to (local.get $c))

      ;; four rows at a time
      (block $fewer_than_four
        (loop $each_four
          (br_if $fewer_than_four (i32.lt_u (local.get $rows) (i32.const 4)))
          (local.set $x0 (local.get $from))
          (local.set $x1 (i32.add (local.get $x0) (local.get $row_a)))
          (local.set $x2 (i32.add (local.get $x1) (local.get $row_a)))
          (local.set $x3 (i32.add (local.get $x2) (local.get $row_a)))
          (local.set $y1 (i32.add (local.get $to) (local.get $row_c)))
          (local.set $y2 (i32.add (local.get $y1) (local.get $row_c)))
          (local.set $y3 (i32.add (local.get $y2) (local.get $row_c)))
          (local.set $u0 (v128.load (local.get $to))) (local.set $v0 (v128.load offset=16 (local.get $to)))
          (local.set $u1 (v128.load (local.get $y1))) (local.set $v1 (v128.load offset=16 (local.get $y1)))
          (local.set $u2 (v128.load (local.get $y2))) (local.set $v2 (v128.load offset=16 (local.get $y2)))
          (local.set $u3 (v128.load (local.get $y3))) (local.set $v3 (v128.load offset=16 (local.get $y3)))
          (local.set $p (local.get $b))
          (local.set $left (local.get $k))
          (loop $each_k
            (local.set $u (v128.load (local.get $p)))
            (local.set $v (v128.load offset=16 (local.get $p)))
            (local.set $s (v128.load32_splat (local.get $x0)))
            (local.set $u0 (f32x4.add (local.get $u0) (f32x4.mul (local.get $s) (local.get $u))))
            (local.set $v0 (f32x4.add (local.get $v0) (f32x4.mul (local.get $s) (local.get $v))))
            (local.set $s (v128.load32_splat (local.get $x1)))
            (local.set $u1 (f32x4.add (local.get $u1) (f32x4.mul (local.get $s) (local.get $u))))
            (local.set $v1 (f32x4.add (local.get $v1) (f32x4.mul (local.get $s) (local.get $v))))
            (local.set $s (v128.load32_splat (local.get $x2)))
            (local.set $u2 (f32x4.add (local.get $u2) (f32x4.mul (local.get $s) (local.get $u))))
            (local.set $v2 (f32x4.add (local.get $v2) (f32x4.mul (local.get $s) (local.get $v))))
            (local.set $s (v128.load32_splat (local.get $x3)))
            (local.set $u3 (f32x4.add (local.get $u3) (f32x4.mul (local.get $s) (local.get $u))))
            (local.set $v3 (f32x4.add (local.get $v3) (f32x4.mul (local.get $s) (local.get $v))))
            (local.set $x0 (i32.add (local.get $x0) (i32.const 4)))
            (local.set $x1 (i32.add (local.get $x1) (i32.const 4)))
            (local.set $x2 (i32.add (local.get $x2) (i32.const 4)))
            (local.set $x3 (i32.add (local.get $x3) (i32.const 4)))
            (local.set $p (i32.add (local.get $p) (i32.const 32)))
            (br_if $each_k (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
          (v128.store (local.get $to) (local.get $u0)) (v128.store offset=16 (local.get $to) (local.get $v0))
          (v128.store (local.get $y1) (local.get $u1)) (v128.store offset=16 (local.get $y1) (local.get $v1))
          (v128.store (local.get $y2) (local.get $u2)) (v128.store offset=16 (local.get $y2) (local.get $v2))
          (v128.store (local.get $y3) (local.get $u3)) (v128.store offset=16 (local.get $y3) (local.get $v3))
          (local.set $from (i32.add (local.get $from) (i32.shl (local.get $row_a) (i32.const 2))))
          (local.set $to (i32.add (local.get $to) (i32.shl (local.get $row_c) (i32.const 2))))
          (local.set $rows (i32.sub (local.get $rows) (i32.const 4)))
          (br $each_four)))

      ;; the rows that are left, one at a time
      (block $none
        (loop $each_row
          (br_if $none (i32.eqz (local.get $rows)))
          (local.set $x0 (local.get $from))
          (local.set $u0 (v128.load (local.get $to))) (local.set $v0 (v128.load offset=16 (local.get $to)))
          (local.set $p (local.get $b))
          (local.set $left (local.get $k))
          (loop $each_k
            (local.set $s (v128.load32_splat (local.get $x0)))
            (local.set $u0 (f32x4.add (local.get $u0) (f32x4.mul (local.get $s) (v128.load (local.get $p)))))
            (local.set $v0 (f32x4.add (local.get $v0) (f32x4.mul (local.get $s) (v128.load offset=16 (local.get $p)))))
            (local.set $x0 (i32.add (local.get $x0) (i32.const 4)))
            (local.set $p (i32.add (local.get $p) (i32.const 32)))
            (br_if $each_k (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
          (v128.store (local.get $to) (local.get $u0)) (v128.store offset=16 (local.get $to) (local.get $v0))
          (local.set $from (i32.add (local.get $from) (local.get $row_a)))
          (local.set $to (i32.add (local.get $to) (local.get $row_c)))
          (local.set $rows (i32.sub (local.get $rows) (i32.const 1)))
          (br $each_row)))

      (local.set $b (i32.add (local.get $b) (i32.shl (local.get $k) (i32.const 5))))
      (local.set $c (i32.add (local.get $c) (i32.const 32)))
      (br_if $each_panel (local.tee $columns (i32.sub (local.get $columns) (i32.const 8)))))))
