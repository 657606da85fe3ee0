using System.Reflection;

namespace Distributed.EndToEnd.Tests;

/// <summary>The job files of the repository.</summary>
internal static class JobFolder
{
    public static string File(string name) => Path.Combine(
        typeof(JobFolder).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "JobsPath").Value!, name);
}
