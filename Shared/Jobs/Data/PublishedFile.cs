namespace Distributed.Jobs.Data;

/// <summary>A file as its publisher made it, known by its decompressed content.</summary>
/// <param name="Name">File name, without ".gz".</param>
/// <param name="ContentBytes">Size of the decompressed content.</param>
/// <param name="ContentSha256">SHA-256 of the decompressed content, lower-case hexadecimal.</param>
public sealed record PublishedFile(string Name, long ContentBytes, string ContentSha256)
{
    /// <summary>The name of the compressed file.</summary>
    public string ArchiveName => Name + ".gz";
}
