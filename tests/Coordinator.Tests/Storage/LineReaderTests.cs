using System.Text;
using Distributed.Coordinator.Storage;

namespace Distributed.Coordinator.Tests.Storage;

public sealed class LineReaderTests
{
    [Fact]
    public void Lines_and_their_ends_are_those_of_the_text() =>
        Gen.Select(Gen.String[Gen.OneOfConst('a', '\n', '\0', ','), 0, 300], Gen.Int[1, 40]).Sample((text, most) =>
        {
            var reader = new LineReader(new Dribble(Encoding.UTF8.GetBytes(text)), most);
            var expected = text.Split('\n')[..^1];
            var (offset, told) = (0, 0);
            while (reader.Next(out var line))
            {
                if (line.Length > most)
                {
                    // The last line may lack its line feed.
                    var whole = text[offset..].Split('\n')[0];
                    Assert.Equal(whole[..(most + 1)], Encoding.UTF8.GetString(line));
                    offset += whole.Length + 1;
                    told++;
                    continue;
                }
                Assert.Equal(expected[told++], Encoding.UTF8.GetString(line));
                offset += line.Length + 1;
                Assert.Equal(offset, reader.Offset);
            }
            Assert.InRange(told, expected.Length, expected.Length + (text.Length - text.LastIndexOf('\n') - 1 > most ? 1 : 0));
        }, iter: 1000);

    /// <summary>A stream that returns one byte at a time.</summary>
    private sealed class Dribble(byte[] bytes) : MemoryStream(bytes)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(1, buffer.Length)]);
    }
}
