using Distributed.Core;
using Distributed.Worker.Data;

namespace Distributed.Worker.Tests.Data;

public sealed class NpyFileTests
{
    private const string Header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }";

    [Fact]
    public void Arrays_of_all_types_and_versions_are_read_back() =>
        Gen.Select(Gen.Int[1, 6].Array[1, 4], Gen.OneOfConst("|u1", "<i4", "<i8", "<f2", "<f4", "<f8"), Gen.Int[1, 3], Gen.Int[0, 1000])
            .Sample((shape, type, major, seed) =>
        {
            // Whole numbers that every type holds.
            float[] values = [.. Enumerable.Range(seed, shape.Aggregate(1, (a, b) => a * b)).Select(i => (float)(i * 7919 % 256))];
            var bytes = type switch
            {
                "|u1" => NpyBytes.Of<byte>(type, shape, [.. values.Select(x => (byte)x)], major),
                "<i4" => NpyBytes.Of<int>(type, shape, [.. values.Select(x => (int)x)], major),
                "<i8" => NpyBytes.Of<long>(type, shape, [.. values.Select(x => (long)x)], major),
                "<f2" => NpyBytes.Of<Half>(type, shape, [.. values.Select(x => (Half)x)], major),
                "<f4" => NpyBytes.Of<float>(type, shape, values, major),
                _ => NpyBytes.Of<double>(type, shape, [.. values.Select(x => (double)x)], major),
            };
            var file = Read(bytes);
            Assert.Equal(type, file.Type);
            Assert.Equal(shape, file.Shape);
            Assert.Equal(values, file.Values.ToArray());
        });

    [Fact]
    public void A_long_array_is_read_in_parts()
    {
        double[] values = [.. Enumerable.Range(0, 200_000).Select(i => i / 7.0)];
        Assert.Equal(values.Select(x => (float)x), Read(NpyBytes.Of<double>("<f8", [1000, 200], values)).Values.ToArray());
    }

    // numpy.save(path, numpy.array([[1, 2], [3, 4]], dtype="u1")), by NumPy 2.
    [Fact]
    public void A_file_of_NumPy_is_read() => Assert.Equal(
        [1, 2, 3, 4],
        Read([.. Convert.FromHexString("934e554d5059010076007b276465736372273a20277c7531272c2027666f727472616e5f6f7264"
            + "6572273a2046616c73652c20277368617065273a2028322c2032292c207d"),
            .. Enumerable.Repeat((byte)' ', 58), (byte)'\n', 1, 2, 3, 4]).Values.ToArray());

    [Theory]
    [InlineData("'<f4'", "'>f4'",
        "byte 8: the numbers are of type >f4; allowed: |u1, <i4, <i8, <f2, <f4, <f8. In Python: array.astype('<f4')")]
    [InlineData("'<f4'", "'|O'", "byte 8: the numbers are of type |O; allowed: ")]
    [InlineData("False", "True", "byte 8: the first dimension is the fastest (fortran_order). In Python: numpy.ascontiguousarray(array)")]
    [InlineData("(2, 1)", "()", "byte 8: there are 0 dimensions; allowed: 1 to 8")]
    [InlineData("(2, 1)", "(2, 0)", "byte 8: dimension 1 is 0; each must be at least 1 and the product at most 268435456")]
    [InlineData("(2, 1)", "(2, -1)", "byte 8: the shape is (2, -1); expected: a tuple of numbers")]
    [InlineData("(2, 1)", "(65536, 65536)", "byte 8: dimension 1 is 65536; each must be at least 1 and the product at most 268435456")]
    [InlineData("(2, 1)", "(99999999999,)",
        "byte 8: dimension 0 is 99999999999; each must be at least 1 and the product at most 268435456")]
    [InlineData("(2, 1)", "(2, 2)", "byte 128: the header announces 4 values of type <f4, a file of 144 bytes; it has 136.")]
    [InlineData("(2, 1)", "(1, 1)", "byte 128: the header announces 1 values of type <f4, a file of 132 bytes; it has 136.")]
    [InlineData(", 'shape': (2, 1)", "", "byte 8: the header has descr, fortran_order; expected: descr, fortran_order, shape")]
    [InlineData("'fortran_order'", "'descr'", "byte 8: the header has descr twice")]
    [InlineData("{'descr'", "{descr", "byte 8: the header is {descr: '<f4', 'fortran_order': False, ")]
    public void A_malformed_header_is_rejected(string part, string spoiled, string complaint)
    {
        Assert.Contains(part, Header, StringComparison.Ordinal);
        Assert.StartsWith($"x.npy, {complaint}", Error(NpyBytes.Of(Header.Replace(part, spoiled, StringComparison.Ordinal), new byte[8])),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_of_another_format_is_rejected()
    {
        var whole = NpyBytes.Of(Header, new byte[8]);
        Read(whole);
        for (var length = 0; length < whole.Length; length++)
            Assert.StartsWith("x.npy, byte ", Error(whole[..length]), StringComparison.Ordinal);
        Assert.Equal("x.npy, byte 0: this is no array of NumPy (.npy).", Error("PK..............."u8.ToArray()));
        byte[] version = [.. whole[..6], 4, .. whole[7..]];
        Assert.Equal("x.npy, byte 6: this is version 4.0 of the format; allowed: 1.0, 2.0, 3.0.", Error(version));
        byte[] large = [.. NpyBytes.Of(Header, new byte[8], major: 2)[..8], 0xff, 0xff, 0xff, 0x7f];
        Assert.Equal("x.npy, byte 8: the header has 2147483647 bytes; at most 10000 are allowed.", Error(large));
    }

    private static NpyFile Read(byte[] bytes)
    {
        using var stream = new MemoryStream(bytes);
        return NpyFile.Read(stream, "x.npy");
    }

    private static string Error(byte[] bytes) => Assert.Throws<DataException>(() => Read(bytes)).Message;
}
